// Shadow memory: who last read and wrote every byte that a kernel may touch.
//
// Two accesses race if they come from different threads, one at least writes,
// and nothing orders them: no barrier between them for threads of a block, no
// __syncwarp that names both lanes of a warp; blocks are never ordered. Reads
// of shared memory that nothing wrote, accesses outside of every array, writes
// to inputs and misaligned vectors are reported as well. Bank conflicts of
// shared memory and sectors of global memory are counted for each warp.
//
// All of this is in a build with TW_CUDASIM_SHADOW, where kernels are compiled
// with -fsanitize=thread and the entry points that it calls are ours
// (shadow_hooks.cpp); elsewhere the functions here do nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tw::cudasim {

// What a warp's accesses cost, since count_accesses(true).
struct AccessCounts {
  uint64_t shared_wavefronts, shared_ideal;
  uint64_t global_sectors, global_ideal;
};

enum class Access : uint8_t { read, write, atomic };

#ifdef TW_CUDASIM_SHADOW
constexpr bool kShadow = true;

// An array that the next launches may touch. `unit` is the size of what its
// threads share it out in: bytes of one unit have one history.
void shadow_allow(const void* data, size_t bytes, int unit, bool writeable);
void shadow_forget_all();

void shadow_launch();  // a grid begins
void shadow_block();   // a block begins
// The block's threads are at a barrier, or have ended.
void shadow_barrier(int threads);
// Returns whether there is something at the address.
bool shadow_access(const void* address, size_t bytes, Access access,
                   const void* instruction);
// The copy engine or a tensor core touches shared memory for the current
// thread; false: a fault. What it writes is then ordered by async_memory.hpp.
bool shadow_async_access(const void* address, size_t bytes, bool write);

// Starts counting from zero, or stops.
void count_accesses(bool on);
AccessCounts access_counts();
// The same for each instruction, named by its place in the module's file.
std::vector<std::pair<std::string, AccessCounts>> access_counts_of_each();
#else
constexpr bool kShadow = false;

inline void shadow_allow(const void*, size_t, int, bool) {}
inline void shadow_forget_all() {}
inline void shadow_launch() {}
inline void shadow_block() {}
inline void shadow_barrier(int) {}
inline bool shadow_access(const void*, size_t, Access, const void*) {
  return true;
}
inline bool shadow_async_access(const void*, size_t, bool) { return true; }
inline void count_accesses(bool) {}
inline AccessCounts access_counts() { return {}; }
inline std::vector<std::pair<std::string, AccessCounts>>
access_counts_of_each() {
  return {};
}
#endif

}  // namespace tw::cudasim
