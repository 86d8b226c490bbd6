// RMSprop (Tieleman & Hinton, 2012; centred after Graves, arXiv:1308.0850) and
// Adagrad (Duchi et al., JMLR 12, 2011): one step over many arrays, in place.
//   g += weight_decay * p
//   s = decay * s + weight * g * g
//   a = decay * a + weight * g               (centred)
//   v = max(s - a * a, 0)                    (centred; else v = s)
//   d = g / (sqrt(v) + eps)                  (or, in the root: sqrt(v + eps))
//   b = momentum * b + d                     (with momentum; else b = d)
//   p -= lr * b
// RMSprop's decay and weight are alpha and 1 - alpha, Adagrad's are 1 and 1.
// A variance that rounding makes negative counts as 0, not as NaN.
#pragma once

#include <cstdint>

namespace tw {

struct RmspropArrays {
  float* param;
  const float* grad;
  float* square_avg;
  float* grad_avg;         // null in all: not centred
  float* momentum_buffer;  // null in all: no momentum
  int64_t size;
};

// All that is the same for every element, rounded once.
struct RmspropCoefficients {
  float lr, decay, weight, eps, weight_decay, momentum;
  bool eps_in_root;
};

inline RmspropCoefficients rmsprop_coefficients(double lr, double alpha,
                                                double eps, double weight_decay,
                                                double momentum,
                                                bool eps_in_root) {
  return {static_cast<float>(lr),
          static_cast<float>(alpha),
          static_cast<float>(1 - alpha),
          static_cast<float>(eps),
          static_cast<float>(weight_decay),
          static_cast<float>(momentum),
          eps_in_root};
}

inline RmspropCoefficients adagrad_coefficients(double lr, double eps,
                                                double weight_decay,
                                                bool eps_in_root) {
  RmspropCoefficients c =
      rmsprop_coefficients(lr, 1, eps, weight_decay, 0, eps_in_root);
  c.weight = 1;
  return c;
}

}  // namespace tw
