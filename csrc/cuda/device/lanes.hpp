// One float or four of them, for kernels that do the same to each channel.
#pragma once

#include "cuda/device/memory.hpp"

namespace tw::cuda {

// Whether arrays may be read and written four floats at a time; null may.
template <class... Pointers>
__host__ __device__ __forceinline__ bool all_aligned(Pointers... arrays) {
  return (reinterpret_cast<uintptr_t>(arrays) | ...) % 16 == 0;
}

// kLanes floats that are read and written together.
template <int kLanes>
struct Lanes {
  float of[kLanes];

  static __device__ __forceinline__ Lanes load(const float* at) {
    if constexpr (kLanes == 4) {
      const float4 quad = load4(at);
      return {{quad.x, quad.y, quad.z, quad.w}};
    } else {
      return {{*at}};
    }
  }
  static __device__ __forceinline__ Lanes all(float value) {
    Lanes lanes;
#pragma unroll
    for (int i = 0; i < kLanes; i++) lanes.of[i] = value;
    return lanes;
  }
  __device__ __forceinline__ void store(float* at) const {
    if constexpr (kLanes == 4)
      store4(at, make_float4(of[0], of[1], of[2], of[3]));
    else
      *at = of[0];
  }
};

}  // namespace tw::cuda
