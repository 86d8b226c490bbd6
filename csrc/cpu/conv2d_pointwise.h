// 1 x 1 convolutions, whose weight gradient is a plain product.
#pragma once

#include "cpu/conv2d.h"
#include "cpu/microkernel.h"

namespace tw::cpu {

void run_pointwise(const ConvBackwardWeight& problem, const MicroKernels& mk);
// As an Algorithm asks it (algorithm.h).
const char* refuse_not_pointwise(const ConvBackwardWeight& problem);
const char* slower_pointwise(const ConvBackwardWeight& problem);

}  // namespace tw::cpu
