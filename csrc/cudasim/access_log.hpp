// What each thread accessed since the last barrier, and what the accesses of a
// warp cost together: wavefronts of shared memory (32 banks of 4 bytes; words
// of one bank come one after the other, accesses of 8 and 16 bytes by half and
// quarter warps) and sectors of 32 bytes of global memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tw::cudasim {

void log_access(uintptr_t address, size_t bytes, bool shared,
                const void* instruction);
// Counts and forgets what the first `threads` threads logged.
void flush_access_log(int threads);

}  // namespace tw::cudasim
