#include "cudasim/memory.hpp"

namespace tw::cudasim {

void expect_aligned(const void* address, size_t alignment, const char* what) {
  if (reinterpret_cast<uintptr_t>(address) % alignment == 0) return;
  fault("misaligned " + std::string(what) + " of " + std::to_string(alignment) +
        " bytes");
}

void* block_shared_memory(size_t bytes) {
  if (bytes <= launch_state.shared_bytes) return launch_state.shared;
  fault("the launch gives " + std::to_string(launch_state.shared_bytes) +
        " bytes of shared memory, the kernel needs " + std::to_string(bytes));
  // The kernel goes on, and must not destroy what lies behind.
  alignas(1024) static unsigned char instead[kMostSharedBytes];
  return instead;
}

}  // namespace tw::cudasim
