// Convolutions of one to four input channels, such as a network's first.
#pragma once

#include "cuda/conv2d/conv2d.h"

namespace tw::cuda {

// Whether the direct kernels take a convolution: exactly, whatever is asked
// for. Tensor cores are for what has more weights.
bool few_channels(const ConvShape& shape, Precision precision);

int64_t few_channels_workspace(const ConvShape& shape);  // of the weight's pass

void few_channels_conv2d(const ConvForward& problem, Stream stream);
void few_channels_backward_weight(const ConvBackwardWeight& problem,
                                  float* workspace, Stream stream);

}  // namespace tw::cuda
