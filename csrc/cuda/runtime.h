// What there is of a driver and of GPUs.
#pragma once

#include <string>

namespace tw::cuda {

// Why no kernel can run here, or "".
std::string unavailable_reason();

// "CUDA 13.0, driver for 13.2, 2 GPUs" or what is missing.
std::string runtime_text();

}  // namespace tw::cuda
