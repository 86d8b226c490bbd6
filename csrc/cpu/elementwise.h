// Activations and their gradients, dropout, the four operations, and sums such
// as the gradient of a bias: each one pass over memory, which is what bounds it
// (gelu and dropout: arithmetic).
#pragma once

#include <cstdint>

#include "cpu/activation.h"
#include "cpu/strided.h"

namespace tw::cpu {

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

// dbias[j] = sum over rows of dy[row][j]; the same for each of several groups
// of rows that follow one another.
struct BiasGradient {
  const float* dy;  // (rows, k), a row every `stride`
  int64_t stride, rows, k;
  float* dbias;
  int64_t groups = 1;
};

enum class Operation { add, subtract, multiply, divide };

// y = a (operation) b, over the grid of a and b; y is dense, in the grid's
// order, and may be a or b where that is so too. A null a or b stands for a
// number.
struct Arithmetic {
  Operation operation;
  StridedGrid<2> grid;
  const float* a;
  const float* b;
  float a_value, b_value;
  float* y;
};

void activation(const ActivationForward& problem);
void activation_backward(const ActivationBackward& problem);
void dropout(const Dropout& problem);
void bias_gradient(const BiasGradient& problem);
void arithmetic(const Arithmetic& problem);

}  // namespace tw::cpu
