// The shared memory of a block, and accesses of 128 bits.
//
// A kernel has one struct for all of its shared memory, which is dynamic: the
// launch gives its size.
#pragma once

#include "cuda/device/dialect.hpp"
#ifndef __CUDACC__
#include "cudasim/memory.hpp"
#endif

namespace tw::cuda {

#ifdef __CUDACC__
extern __shared__ __align__(1024) unsigned char tw_shared[];

template <class T>
__device__ __forceinline__ T& shared_memory() {
  return *reinterpret_cast<T*>(tw_shared);
}
template <class T>
__device__ __forceinline__ T load_vector(const void* address) {
  return *static_cast<const T*>(address);
}
template <class T>
__device__ __forceinline__ void store_vector(void* address, const T& value) {
  *static_cast<T*>(address) = value;
}
#else
using cudasim::load_vector;
using cudasim::shared_memory;
using cudasim::store_vector;
#endif

__device__ __forceinline__ float4 load4(const float* address) {
  return load_vector<float4>(address);
}
__device__ __forceinline__ void store4(float* address, float4 value) {
  store_vector(address, value);
}

}  // namespace tw::cuda
