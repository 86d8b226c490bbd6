// What a GPU multiplies at most: kernels that do nothing else, for benchmarks
// to hold others against. Their caller takes the time.
#pragma once

#include "cuda/stream.h"

namespace tw::cuda {

// The ordinary units, and tensor cores by mma.sync (from sm_80 on). Hopper's
// own instructions reach more than that.
enum class Unit { fp32, tf32, bf16 };

constexpr int kRooflineThreads = 256;  // of a block

// Each thread of `blocks` blocks does `steps` steps of independent
// multiply-adds with the number that it finds in out, of one float a thread,
// and leaves their sum there. Returns the FLOP done, a multiply-add being two.
// Throws std::invalid_argument for a unit that the current device lacks.
double multiply_add(Unit unit, int blocks, int steps, float* out,
                    Stream stream);

}  // namespace tw::cuda
