// What there is of a driver and of GPUs.
#pragma once

#include <string>
#include <vector>

namespace tw::cuda {

// Why no kernel can run here, or "".
std::string unavailable_reason();

struct Gpu {
  std::string name;
  int major, minor;  // of the compute capability
};

// None where the driver does not answer.
std::vector<Gpu> gpus();

// "CUDA 13.0, driver for 13.2, 2 GPUs" or what is missing.
std::string runtime_text();

}  // namespace tw::cuda
