// RMSprop and Adagrad on the CPU. Bound by memory: 20 bytes a parameter, and 8
// more each for the mean gradient and for momentum.
#pragma once

#include <vector>

#include "common/rmsprop.h"

namespace tw::cpu {

struct RmspropTensor : RmspropArrays {
  int64_t offset;  // the sum of the sizes before it
};

struct RmspropStep {
  std::vector<RmspropTensor> tensors;
  RmspropCoefficients coefficients;
};

void rmsprop_step(const RmspropStep& problem);

}  // namespace tw::cpu
