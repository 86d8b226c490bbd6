// Batch normalization on a GPU.
#pragma once

#include "common/batch_norm.h"
#include "cuda/stream.h"

namespace tw::cuda {

// The floats that `workspace` must hold.
int64_t batch_norm_workspace(const BatchNormForward& problem);
void batch_norm(const BatchNormForward& problem, float* workspace,
                Stream stream);
int64_t batch_norm_backward_workspace(const BatchNormBackward& problem);
void batch_norm_backward(const BatchNormBackward& problem, float* workspace,
                         Stream stream);

}  // namespace tw::cuda
