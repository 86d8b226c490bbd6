// The functions that a compiler calls at each access under -fsanitize=thread:
// not ThreadSanitizer's, which is not linked, but ours.
#include <cstring>

#include "cudasim/shadow.hpp"

using tw::cudasim::Access;
using tw::cudasim::shadow_access;

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

#define TW_HOOK(name, bytes, access)                                    \
  void name(void* address) {                                            \
    shadow_access(address, bytes, access, __builtin_return_address(0)); \
  }

TW_HOOK(__tsan_read1, 1, Access::read)
TW_HOOK(__tsan_read2, 2, Access::read)
TW_HOOK(__tsan_read4, 4, Access::read)
TW_HOOK(__tsan_read8, 8, Access::read)
TW_HOOK(__tsan_read16, 16, Access::read)
TW_HOOK(__tsan_write1, 1, Access::write)
TW_HOOK(__tsan_write2, 2, Access::write)
TW_HOOK(__tsan_write4, 4, Access::write)
TW_HOOK(__tsan_write8, 8, Access::write)
TW_HOOK(__tsan_write16, 16, Access::write)
// What the compiler takes for possibly unaligned must be aligned all the same.
TW_HOOK(__tsan_unaligned_read2, 2, Access::read)
TW_HOOK(__tsan_unaligned_read4, 4, Access::read)
TW_HOOK(__tsan_unaligned_read8, 8, Access::read)
TW_HOOK(__tsan_unaligned_read16, 16, Access::read)
TW_HOOK(__tsan_unaligned_write2, 2, Access::write)
TW_HOOK(__tsan_unaligned_write4, 4, Access::write)
TW_HOOK(__tsan_unaligned_write8, 8, Access::write)
TW_HOOK(__tsan_unaligned_write16, 16, Access::write)
TW_HOOK(__tsan_volatile_read4, 4, Access::read)
TW_HOOK(__tsan_volatile_write4, 4, Access::write)

void __tsan_read_range(void* address, size_t bytes) {
  shadow_access(address, bytes, Access::read, __builtin_return_address(0));
}
void __tsan_write_range(void* address, size_t bytes) {
  shadow_access(address, bytes, Access::write, __builtin_return_address(0));
}

// Clang's, in place of the C library's.
void* __tsan_memcpy(void* to, const void* from, size_t bytes) {
  shadow_access(from, bytes, Access::read, __builtin_return_address(0));
  shadow_access(to, bytes, Access::write, __builtin_return_address(0));
  return memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, size_t bytes) {
  shadow_access(from, bytes, Access::read, __builtin_return_address(0));
  shadow_access(to, bytes, Access::write, __builtin_return_address(0));
  return memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int byte, size_t bytes) {
  shadow_access(to, bytes, Access::write, __builtin_return_address(0));
  return memset(to, byte, bytes);
}

}  // extern "C"
