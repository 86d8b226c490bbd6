// What each thread of a block knows to be over (vector clocks), for blocks in
// which parts of the threads wait for one another: at mbarriers, at named
// barriers, in __syncwarp of some lanes. Where __syncthreads and __syncwarp of
// whole warps alone order a block, counting both is enough: a thread's clock is
// then the number of its warp's. Shuffles and votes order nothing.
//
// Who does things: the threads; the products of each warp (wgmma), by their
// number; the phases of each mbarrier. A thread knows `clock` of someone if all
// that he did before that clock is over and seen.
#pragma once

#include <cstdint>
#include <vector>

#include "cudasim/block.hpp"

namespace tw::cudasim {

constexpr int kMostMbarriers = 64;  // of a block
constexpr int kProductsOfWarp = kMostThreads;
constexpr int kPhasesOfMbarrier = kProductsOfWarp + kMostWarps;
constexpr int kActors = kPhasesOfMbarrier + kMostMbarriers;

using Clocks = std::vector<uint32_t>;  // empty: nothing

void start_order();  // a block begins
bool order_is_partial();
void make_order_partial();

uint32_t clock_of(int thread);
// Whether what `actor` did at `clock` is over for a thread.
bool knows(int thread, int actor, uint32_t clock);
bool every_lane_knows(int warp, int actor, uint32_t clock);
void learn(int thread, int actor, uint32_t clock);

// A thread tells all that it knows and did; a thread is told.
void release(int thread, Clocks& into);
void acquire(int thread, const Clocks& from);
void join(Clocks& into, const Clocks& from);

void join_lanes(unsigned mask);  // of the current warp: __syncwarp
void join_block();               // __syncthreads

}  // namespace tw::cudasim
