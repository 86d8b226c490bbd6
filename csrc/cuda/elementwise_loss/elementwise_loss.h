// Losses of elements on a GPU. What is no probability has the loss NaN: looking
// for one beforehand would stop the stream.
#pragma once

#include "common/elementwise_loss.h"
#include "cuda/stream.h"

namespace tw::cuda {

// The floats that `workspace` must hold.
int64_t elementwise_loss_workspace(const ElementwiseLoss& problem);
void elementwise_loss(const ElementwiseLoss& problem, float* workspace,
                      Stream stream);

}  // namespace tw::cuda
