// Matrix multiplication on Hopper's tensor cores: the algorithm behind every
// precision but fp32 where the device is of compute capability 9.0 and the
// product is large enough.
#pragma once

#include "cuda/gemm/gemm.h"

namespace tw::cuda {

// Whether it is expected to be faster than gemm_tensor_core.
bool gemm_hopper_pays(const GemmProblem& problem);

// The depth must not be 0.
int64_t gemm_hopper_workspace(const GemmProblem& problem);
void gemm_hopper(const GemmProblem& problem, float* workspace, Stream stream);

}  // namespace tw::cuda
