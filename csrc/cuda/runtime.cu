#include <cuda_runtime_api.h>

#include "cuda/runtime.h"

namespace tw::cuda {
namespace {

std::string version_text(int version) {  // 13000: 13.0
  return std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10);
}

}  // namespace

std::string unavailable_reason() {
  int driver = 0;  // the calls leave it alone where they fail
  cudaDriverGetVersion(&driver);
  if (driver == 0) return "there is no NVIDIA driver on this machine";
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status == cudaErrorInsufficientDriver)
    return "the NVIDIA driver supports CUDA " + version_text(driver) +
           ", and " + version_text(CUDART_VERSION) +
           " or newer is needed: update the driver";
  if (status == cudaErrorNoDevice || (status == cudaSuccess && devices == 0))
    return "there is no NVIDIA GPU on this machine";
  if (status != cudaSuccess) return cudaGetErrorString(status);
  return "";
}

std::vector<Gpu> gpus() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) return {};
  std::vector<Gpu> found;
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, device) == cudaSuccess)
      found.push_back({properties.name, properties.major, properties.minor});
  }
  return found;
}

std::string runtime_text() {
  const std::string reason = unavailable_reason();
  if (!reason.empty()) return reason;
  int driver = 0, devices = 0;
  cudaDriverGetVersion(&driver);
  cudaGetDeviceCount(&devices);
  return "CUDA " + version_text(CUDART_VERSION) + ", driver for " +
         version_text(driver) + ", " + std::to_string(devices) +
         (devices == 1 ? " GPU" : " GPUs");
}

}  // namespace tw::cuda
