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

void adam_step(const AdamStep& problem, Stream stream);

}  // namespace tw::cuda
