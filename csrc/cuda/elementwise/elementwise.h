// Activations and their gradients, dropout, and sums over an axis: each
// one pass over memory, which is what bounds it.
#pragma once

#include <cstdint>

#include "cuda/activation.h"
#include "cuda/stream.h"

namespace tw::cuda {

// y may be x.
struct ActivationForward {
  Activation kind;       // not none
  float negative_slope;  // of leaky_relu
  int64_t count;
  const float* x;
  float* y;
};

// From the result y, but for gelu from x; dx may be dy.
struct ActivationBackward {
  Activation kind;
  float negative_slope;
  int64_t count;
  const float* dy;
  const float* saved;
  float* dx;
};

// y[i] = x[i] / (1 - p) where u[i] >= p, else 0, with u[i] the upper 24 bits of
// word i % 4 of Philox4x32-10 under the key `seed` and the counter
// offset + i / 4 (modulo 2^64).
struct Dropout {
  double p;  // in [0, 1]
  uint64_t seed, offset;
  // Where seed and offset are in the GPU's memory, and not the above: each run
  // of a captured graph finds its own there.
  const uint64_t* key;
  int64_t count;
  const float* x;
  float* y;
};

// sums[i][j] = sum over rows of x[i][row][j]; the gradient of a bias is that of
// one matrix.
struct AxisSum {
  const float* x;
  int64_t before, rows, after;
  float* sums;
};

void activation(const ActivationForward& problem, Stream stream);
void activation_backward(const ActivationBackward& problem, Stream stream);
void dropout(const Dropout& problem, Stream stream);
// The floats that `workspace` must hold.
int64_t axis_sum_workspace(const AxisSum& problem);
void axis_sum(const AxisSum& problem, float* workspace, Stream stream);

}  // namespace tw::cuda
