// C = activation(op(A) op(B) + bias [+ C]), row-major float32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/activation.h"
#include "cuda/precision.h"
#include "cuda/stream.h"

namespace tw::cuda {

// Which algorithm serves every precision but fp32: by size and device, or one
// of them whatever the size. Hopper's needs a device of compute capability 9.0.
enum class TensorCoreAlgorithm { automatic, mma_sync, hopper };

struct GemmProblem {
  int64_t m, n, k;
  const float* a;  // (m, k), or (k, m) where transpose_a
  const float* b;  // (k, n), or (n, k) where transpose_b
  float* c;        // (m, n); must not overlap a, b or bias
  bool transpose_a = false;
  bool transpose_b = false;
  const float* bias = nullptr;  // (n,)
  Activation activation = Activation::none;
  bool accumulate = false;  // add what c holds before the activation
  Precision precision = Precision::fp32;
  TensorCoreAlgorithm algorithm = TensorCoreAlgorithm::automatic;
};

// The floats that `workspace` must hold, often none.
int64_t gemm_workspace(const GemmProblem& problem);
void gemm(const GemmProblem& problem, float* workspace, Stream stream);

}  // namespace tw::cuda
