// Shared memory and vector accesses of csrc/cuda/device/memory.hpp.
#pragma once

#include <cstring>

#include "cudasim/dialect.hpp"

namespace tw::cudasim {

void expect_aligned(const void* address, size_t alignment, const char* what);

// The block's shared memory, of which the kernel needs so many bytes.
void* block_shared_memory(size_t bytes);

template <class T>
T& shared_memory() {
  static_assert(std::is_trivially_default_constructible_v<T>,
                "shared memory is not constructed");
  return *static_cast<T*>(block_shared_memory(sizeof(T)));
}

// The shadow memory tells accesses apart by where they return to.
#ifdef TW_CUDASIM_SHADOW
#define TW_ONE_ACCESS __attribute__((noinline, no_sanitize("thread")))
#else
#define TW_ONE_ACCESS inline
#endif

// One access of sizeof(T) bytes, where a compiler might make several.
template <class T>
TW_ONE_ACCESS T load_vector(const void* address) {
  expect_aligned(address, alignof(T), "vector load");
  shadow_access(address, sizeof(T), Access::read, __builtin_return_address(0));
  T value;
  std::memcpy(&value, address, sizeof(T));
  return value;
}
template <class T>
TW_ONE_ACCESS void store_vector(void* address, const T& value) {
  expect_aligned(address, alignof(T), "vector store");
  shadow_access(address, sizeof(T), Access::write, __builtin_return_address(0));
  std::memcpy(address, &value, sizeof(T));
}

}  // namespace tw::cudasim
