// Kernels with a defect each, and right ones beside them.
#pragma once

#include <cstddef>

namespace planted {

// All kernels have these arguments; the sizes are what a kernel makes of them.
using Kernel = void (*)(const float* in, float* out, int n);

struct Entry {
  const char* name;
  Kernel kernel;
  size_t shared_bytes;
};

// Each list ends with a null name. The second is null in builds without
// planted_hopper.cu, which is for the simulator alone.
const Entry* entries();
[[gnu::weak]] const Entry* hopper_entries();
void run(const Entry& entry, int blocks, int threads, const float* in,
         float* out, int n);

}  // namespace planted
