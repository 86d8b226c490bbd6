// Four elements a thread, of arrays in C order.
#pragma once

#include "common/integers.h"
#include "cuda/device/lanes.hpp"
#include "cuda/device/memory.hpp"

namespace tw::cuda {

constexpr int kElementThreads = 256;

// Loaded and stored at once where all arrays are aligned; the last may be
// fewer.
struct Quads {
  int64_t count;
  bool aligned;

  __device__ __forceinline__ int64_t first() const {
    return (int64_t{blockIdx.x} * kElementThreads + threadIdx.x) * 4;
  }
  __device__ __forceinline__ int live(int64_t i) const {
    const int64_t left = count - i;
    return left >= 4 ? 4 : left > 0 ? static_cast<int>(left) : 0;
  }
  __device__ __forceinline__ void load(const float* from, int64_t i,
                                       float (&value)[4]) const {
    const int n = live(i);
    if (aligned && n == 4) {
      const float4 quad = load4(from + i);
      value[0] = quad.x, value[1] = quad.y;
      value[2] = quad.z, value[3] = quad.w;
      return;
    }
#pragma unroll
    for (int j = 0; j < 4; j++) value[j] = j < n ? from[i + j] : 0;
  }
  __device__ __forceinline__ void store(float* to, int64_t i,
                                        const float (&value)[4]) const {
    const int n = live(i);
    if (aligned && n == 4)
      return store4(to + i,
                    make_float4(value[0], value[1], value[2], value[3]));
#pragma unroll
    for (int j = 0; j < 4; j++)
      if (j < n) to[i + j] = value[j];
  }
};

// Blocks for so many elements, each of which takes `of_a_block`.
inline dim3 element_blocks(int64_t count, int64_t of_a_block) {
  return dim3(static_cast<unsigned>(ceil_div(count, of_a_block)));
}

}  // namespace tw::cuda
