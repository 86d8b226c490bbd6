// The one way to start a kernel: checked, on a stream, with its shared memory.
#pragma once

#include <stdexcept>
#include <string>

#include "cuda/device/dialect.hpp"
#include "cuda/stream.h"

namespace tw::cuda {

#ifdef __CUDACC__

// What a device gives a block without being asked for more.
constexpr size_t kUsualSharedBytes = 48 << 10;

inline void expect_success(cudaError_t status, const char* name) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // or the next call would be blamed
  throw std::runtime_error(std::string(name) + ": " +
                           cudaGetErrorString(status));
}

// Of the current device; 0 where it cannot be known.
inline int device_attribute(cudaDeviceAttr attribute) {
  int device = 0, value = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&value, attribute, device) != cudaSuccess)
    return 0;
  return value;
}

// Whether the current device multiplies tf32 and bf16 (sm_80 and later).
inline bool has_tensor_cores() {
  return device_attribute(cudaDevAttrComputeCapabilityMajor) >= 8;
}

// Whether the current device has Hopper's copy engine and products of
// warpgroups, and this build their code: "a" targets run on that architecture
// alone (csrc/cuda/CMakeLists.txt).
inline bool has_hopper() {
#ifdef TW_CUDA_SM90A
  return device_attribute(cudaDevAttrComputeCapabilityMajor) == 9 &&
         device_attribute(cudaDevAttrComputeCapabilityMinor) == 0;
#else
  return false;
#endif
}

inline int multiprocessors() {
  return device_attribute(cudaDevAttrMultiProcessorCount);
}

// Throws std::runtime_error where the device does not take the launch; what
// goes wrong later is CuPy's to report, at its next synchronisation.
template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 grid,
            dim3 block, size_t shared_bytes, Stream stream,
            const Arguments&... arguments) {
  if (shared_bytes > kUsualSharedBytes)
    expect_success(
        cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                             cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(shared_bytes)),
        name);
  kernel<<<grid, block, shared_bytes, stream>>>(arguments...);
  expect_success(cudaGetLastError(), name);
}

#else

inline bool has_tensor_cores() { return true; }
inline bool has_hopper() { return cudasim::configuration.hopper; }
inline int multiprocessors() { return cudasim::configuration.multiprocessors; }

template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 grid,
            dim3 block, size_t shared_bytes, Stream,
            const Arguments&... arguments) {
  auto run = [&] { kernel(arguments...); };
  cudasim::run_grid(
      name, [](void* all) { (*static_cast<decltype(run)*>(all))(); }, &run,
      grid, block, shared_bytes);
}

#endif

}  // namespace tw::cuda
