// Shared memory as the copy engine and the tensor cores use it (the "async
// proxy" of the PTX ISA): which copy wrote each piece of 16 bytes, which
// products read it, and whether those who come next know that it is over.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tw::cudasim {

constexpr size_t kPieceBytes = 16;

bool in_shared_memory(const void* address, size_t bytes);
// Addresses of the shared window, of 18 bits; a block's begin after what the
// system keeps for itself.
uint32_t shared_address(const void* pointer);
unsigned char* shared_pointer(uint32_t address);

// Exchanges pieces of 16 bytes within eight rows of `span` bytes (128, 64, 32;
// else nothing): bits 4 to 6 of an address are xored with bits 7 to 9, for
// shorter spans the lower ones of them.
inline uint32_t swizzled(uint32_t address, int span) {
  const uint32_t mask = span == 128 ? 7 : span == 64 ? 3 : span == 32 ? 1 : 0;
  return address ^ (address >> 7 & mask) << 4;
}

void start_async_memory();  // a block begins

// fence.proxy.async of the current thread, and how many it has made.
void fence_async_proxy();
uint32_t proxy_fences_of(int thread);

// The current thread asks for a copy to there; it landed, in a phase.
void note_copy(const void* dst, size_t bytes);
void note_landing(const void* dst, size_t bytes, int mbarrier, uint32_t phase);
// The current warp's product of this number reads a piece; false: a fault.
bool note_product(const void* piece, uint32_t number);
// Ordinary accesses of the current thread, where they are watched.
void note_ordinary_access(const void* address, size_t bytes, bool write);

}  // namespace tw::cudasim
