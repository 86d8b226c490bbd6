// Sums over a block in double, in a fixed order, for results of few digits and
// little work: the same bits in each thread and at each run.
#pragma once

#include "cuda/device/dialect.hpp"

namespace tw::cuda {

template <int kThreads>
struct BlockSum {
  double of_warp[kThreads / 32];

  // Every thread gets the sum. A barrier stands before and within.
  __device__ __forceinline__ double operator()(double value) {
#pragma unroll
    for (int flip = 16; flip > 0; flip /= 2)
      value += __shfl_xor_sync(~0u, value, flip);
    __syncthreads();
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
    __syncthreads();
    value = of_warp[0];
    for (int warp = 1; warp < kThreads / 32; warp++) value += of_warp[warp];
    return value;
  }
};

}  // namespace tw::cuda
