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

// All that is the same for every element, in the kernel's precision.
struct SgdCoefficients {
  float lr, momentum, weight_decay;
  bool nesterov;
};

SgdCoefficients sgd_coefficients(const SgdStep& problem);
void sgd_step(const SgdStep& problem, Stream stream);
// With the coefficients in the GPU's memory, where each run of a captured graph
// finds those of its own step.
void sgd_step_from(const std::vector<SgdTensor>& tensors,
                   const SgdCoefficients* coefficients, Stream stream);

}  // namespace tw::cuda
