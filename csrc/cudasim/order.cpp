#include "cudasim/order.hpp"

#include <algorithm>

namespace tw::cudasim {
namespace {

bool partial = false;
uint32_t warp_syncs[kMostWarps];  // of whole warps, until order is partial
std::vector<Clocks> known;        // [thread][actor]
std::vector<uint32_t> clocks;     // [thread]

}  // namespace

void start_order() {
  partial = false;
  std::fill(std::begin(warp_syncs), std::end(warp_syncs), 0u);
}

bool order_is_partial() { return partial; }

void make_order_partial() {
  if (partial) return;
  partial = true;
  const auto threads = static_cast<size_t>(block_threads());
  known.assign(threads, Clocks(kActors, 0));
  clocks.resize(threads);
  for (size_t i = 0; i < threads; i++) {
    const size_t warp = i / kWarp, end = std::min((warp + 1) * kWarp, threads);
    clocks[i] = warp_syncs[warp];
    for (size_t lane = warp * kWarp; lane < end; lane++)
      known[i][lane] = warp_syncs[warp];
  }
}

uint32_t clock_of(int thread) {
  return partial ? clocks[static_cast<size_t>(thread)]
                 : warp_syncs[thread / kWarp];
}

bool knows(int thread, int actor, uint32_t clock) {
  if (partial)
    return known[static_cast<size_t>(thread)][static_cast<size_t>(actor)] >
           clock;
  return actor < kMostThreads && actor / kWarp == thread / kWarp &&
         warp_syncs[thread / kWarp] > clock;
}

bool every_lane_knows(int warp, int actor, uint32_t clock) {
  for (int lane = 0; lane < kWarp; lane++)
    if (!knows(warp * kWarp + lane, actor, clock)) return false;
  return true;
}

void learn(int thread, int actor, uint32_t clock) {
  auto& mine = known[static_cast<size_t>(thread)][static_cast<size_t>(actor)];
  mine = std::max(mine, clock);
}

void join(Clocks& into, const Clocks& from) {
  if (from.empty()) return;
  if (into.empty()) into.assign(kActors, 0);
  for (size_t i = 0; i < from.size(); i++) into[i] = std::max(into[i], from[i]);
}

void release(int thread, Clocks& into) {
  const auto t = static_cast<size_t>(thread);
  known[t][t] = ++clocks[t];
  join(into, known[t]);
}

void acquire(int thread, const Clocks& from) {
  join(known[static_cast<size_t>(thread)], from);
}

void join_lanes(unsigned mask) {
  if (!partial && mask == ~0u) {
    warp_syncs[current->warp]++;
    return;
  }
  make_order_partial();
  Clocks all;
  for (unsigned rest = mask; rest; rest &= rest - 1)
    release(lane_of_current_warp(__builtin_ctz(rest))->linear, all);
  for (unsigned rest = mask; rest; rest &= rest - 1)
    acquire(lane_of_current_warp(__builtin_ctz(rest))->linear, all);
}

void join_block() {
  if (!partial) return;
  Clocks all;
  for (int i = 0; i < block_threads(); i++) release(i, all);
  for (int i = 0; i < block_threads(); i++) acquire(i, all);
}

}  // namespace tw::cudasim
