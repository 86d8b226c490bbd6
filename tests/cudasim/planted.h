// Kernels with a defect each, and right ones beside them.
#pragma once

#include <cstddef>

namespace planted {

// Most kernels have these arguments; the sizes are what a kernel makes of them.
using Kernel = void (*)(const float* in, float* out, int n);

struct Call {
  int blocks, threads;
  const float* in;
  float* out;
  int n;
};

struct Entry {
  const char* name;
  void (*start)(const Entry& entry, const Call& call);
  size_t shared_bytes;
};

// Each list ends with a null name. The second is null in builds without
// planted_hopper.cu.
const Entry* entries();
[[gnu::weak]] const Entry* hopper_entries();

}  // namespace planted
