// Barriers in shared memory (PTX ISA, "mbarrier"): a phase is over when as many
// threads have arrived as the barrier was made for, and as many bytes have come
// as they said. The state is kept beside the simulated memory, where a word
// marks the barrier, so that what overwrites it is seen.
#pragma once

#include <cstdint>

#include "cudasim/faults.hpp"

namespace tw::cudasim {

void start_mbarriers();   // a block begins
void finish_mbarriers();  // and ends

void init_mbarrier(uint64_t* barrier, int arrivals);
// With bytes: arrive.expect_tx.
void arrive_at_mbarrier(uint64_t* barrier, int bytes);
// Until the phase of this parity is over. Which parity that is, one thread must
// know of each barrier; who asks for the wrong one comes through at once, and
// then reads what has not come (async_memory.hpp), or never.
void wait_at_mbarrier(uint64_t* barrier, uint32_t parity, Site site);

// For the copy engine: number of a barrier it may count for (-1: none), the
// phase that it is in, and the count.
int mbarrier_of_engine(const uint64_t* barrier);
uint32_t phase_of_mbarrier(int number);
void complete_bytes(int number, int64_t bytes);

}  // namespace tw::cudasim
