// Batch normalization on the CPU. Memory bounds it: a training step reads x
// twice and writes y once, then reads dy and x twice and writes dx.
#pragma once

#include "common/batch_norm.h"

namespace tw::cpu {

void batch_norm(const BatchNormForward& problem);
void batch_norm_backward(const BatchNormBackward& problem);

}  // namespace tw::cpu
