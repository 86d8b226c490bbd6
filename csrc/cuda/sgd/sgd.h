// Stochastic gradient descent with momentum (Polyak, 1964; Nesterov's form
// after Sutskever et al., ICML 2013): one step over many arrays, in place.
//   g += weight_decay * p
//   buf = momentum * buf + g
//   p -= lr * (nesterov ? g + momentum * buf : buf)
// Bound by memory: 20 bytes a parameter, 12 without momentum.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/stream.h"

namespace tw::cuda {

struct SgdTensor {
  float* param;
  const float* grad;
  float* momentum_buffer;  // null in all tensors: no momentum
  int64_t size;
};

struct SgdStep {
  std::vector<SgdTensor> tensors;
  double lr, momentum, weight_decay;
  bool nesterov;
};

void sgd_step(const SgdStep& problem, Stream stream);

}  // namespace tw::cuda
