// Matrix multiplication on tensor cores: the algorithm behind every precision
// but fp32.
#pragma once

#include "cuda/gemm/gemm.h"

namespace tw::cuda {

int64_t gemm_tensor_core_workspace(const GemmProblem& problem);
void gemm_tensor_core(const GemmProblem& problem, float* workspace,
                      Stream stream);

}  // namespace tw::cuda
