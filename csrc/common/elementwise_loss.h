// Losses between outputs x and targets t of one shape, each element by itself,
// with the gradient in the same pass. With d = x - t:
//   squared_error                     d^2
//   absolute_error                    |d|, whose slope at 0 is 0
//   huber                             d^2 / 2 where |d| <= delta,
//                                     else delta (|d| - delta / 2)
//   binary_cross_entropy              -(t log x + (1 - t) log(1 - x)), no
//                                     logarithm below -100; NaN where x is no
//                                     probability
//   binary_cross_entropy_with_logits  max(x, 0) - x t + log(1 + exp(-|x|)):
//                                     that of sigmoid(x)
#pragma once

#include <cstdint>

#include "common/reduction.h"

namespace tw {

enum class LossKind {
  squared_error,
  absolute_error,
  huber,
  binary_cross_entropy,
  binary_cross_entropy_with_logits,
};

// The bounds of binary_cross_entropy: of its logarithms and of what its slope
// is divided by, which keep both finite at 0 and 1.
constexpr float kLeastLogarithm = -100;
constexpr float kLeastVariance = 1e-12f;

struct ElementwiseLoss {
  LossKind kind;
  float delta;  // of huber, above 0
  Reduction reduction;
  int64_t count;
  const float* x;
  const float* target;
  float* loss;  // one number, or one an element without reduction
  float* dx;
};

}  // namespace tw
