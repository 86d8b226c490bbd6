// What operands are rounded to before they are multiplied.
#pragma once

namespace tw::cuda {

// gemm/tensor_loop.cuh says what each costs. fp32 is exact products, and what a
// GPU without tensor cores for the others (before sm_80) takes instead.
enum class Precision { fp32, tf32, tf32x3, bf16 };

}  // namespace tw::cuda
