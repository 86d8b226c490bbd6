// RMSprop and Adagrad on a GPU. Bound by memory: 20 bytes a parameter, and 8
// more each for the mean gradient and for momentum.
#pragma once

#include <vector>

#include "common/rmsprop.h"
#include "cuda/stream.h"

namespace tw::cuda {

void rmsprop_step(const std::vector<RmspropArrays>& tensors,
                  const RmspropCoefficients& coefficients, Stream stream);
// With the coefficients in the GPU's memory, where each run of a captured graph
// finds those of its own step.
void rmsprop_step_from(const std::vector<RmspropArrays>& tensors,
                       const RmspropCoefficients* coefficients, Stream stream);

}  // namespace tw::cuda
