// CUDA's own words: from nvcc, or from the simulator where an ordinary compiler
// reads the kernels. Every other file of csrc/cuda is the same for both, but
// for device/memory.hpp, ptx.hpp, hopper.hpp, tensor_map.hpp and launch.hpp.
#pragma once

#include <cmath>
#include <cstdint>

#ifndef __CUDACC__
#include "cudasim/dialect.hpp"
#endif
