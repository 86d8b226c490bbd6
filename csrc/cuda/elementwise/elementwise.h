// Activations and their gradients, dropout, and the gradient of a bias: each
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
  int64_t count;
  const float* x;
  float* y;
};

// dbias[j] = sum over rows of dy[row][j].
struct BiasGradient {
  const float* dy;
  int64_t rows, k;
  float* dbias;
};

void activation(const ActivationForward& problem, Stream stream);
void activation_backward(const ActivationBackward& problem, Stream stream);
void dropout(const Dropout& problem, Stream stream);
// The floats that `workspace` must hold.
int64_t bias_gradient_workspace(const BiasGradient& problem);
void bias_gradient(const BiasGradient& problem, float* workspace,
                   Stream stream);

}  // namespace tw::cuda
