// Adam (Kingma & Ba, arXiv:1412.6980, algorithm 1) and AdamW (Loshchilov &
// Hutter, arXiv:1711.05101): one step over many arrays, in place.
//   g += weight_decay * p          (or, decoupled: p -= lr * weight_decay * p)
//   m = beta1 * m + (1 - beta1) * g
//   v = beta2 * v + (1 - beta2) * g * g
//   p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
// Bound by memory: 28 bytes a parameter, four arrays read and three written.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/stream.h"

namespace tw::cuda {

struct AdamTensor {
  float* param;
  const float* grad;
  float* exp_avg;
  float* exp_avg_sq;
  int64_t size;
};

struct AdamStep {
  std::vector<AdamTensor> tensors;
  int64_t step;  // t, from 1
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled, bias_correction;
};

// All that is the same for every element, computed in double, rounded once.
struct AdamCoefficients {
  float beta1, one_minus_beta1;
  float beta2, one_minus_beta2;
  float step_size;   // lr / (1 - beta1^t)
  float root_scale;  // 1 / sqrt(1 - beta2^t)
  float eps;
  float decay;   // added to the gradient times p; 0: none
  float shrink;  // multiplies p before the step; 1: none
};

AdamCoefficients adam_coefficients(const AdamStep& problem);
void adam_step(const AdamStep& problem, Stream stream);
// With the coefficients in the GPU's memory, where each run of a captured graph
// finds those of its own step.
void adam_step_from(const std::vector<AdamTensor>& tensors,
                    const AdamCoefficients* coefficients, Stream stream);

}  // namespace tw::cuda
