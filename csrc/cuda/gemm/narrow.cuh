// Operands for the tensor cores of Hopper: which read them from shared memory
// as they are, so that rounding cannot happen on the way, and tf32 only with
// its depth along memory. One pass over each operand makes a copy of it that is
// rounded and lies as rows of the span with the depth along them.
#pragma once

#include "common/integers.h"
#include "cuda/gemm/gemm.h"

namespace tw::cuda {

struct NarrowMatrix {
  Precision precision;
  int64_t rows, depth;

  int number_bytes() const { return precision == Precision::bf16 ? 2 : 4; }
  // For 3xtf32 what rounding left over follows as a second matrix.
  int parts() const { return precision == Precision::tf32x3 ? 2 : 1; }
  int64_t pitch() const { return round_up(depth, 8); }
  int64_t bytes() const { return parts() * rows * pitch() * number_bytes(); }
};

// src: (rows, depth), or (depth, rows) where transposed. dst: aligned to 16
// bytes; columns from the depth to the pitch become 0.
void narrow(const float* src, bool transposed, const NarrowMatrix& matrix,
            void* dst, Stream stream);

}  // namespace tw::cuda
