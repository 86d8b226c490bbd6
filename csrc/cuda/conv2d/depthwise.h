// Convolutions whose groups are single channels.
#pragma once

#include "cuda/conv2d/conv2d.h"

namespace tw::cuda {

int64_t depthwise_workspace(const ConvShape& shape);  // of the weight's pass

void depthwise_conv2d(const ConvForward& problem, Stream stream);
void depthwise_backward_input(const ConvBackwardInput& problem, Stream stream);
void depthwise_backward_weight(const ConvBackwardWeight& problem,
                               float* workspace, Stream stream);

}  // namespace tw::cuda
