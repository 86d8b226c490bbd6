#include "cudasim/named_barrier.hpp"

#include <string>
#include <vector>

#include "cudasim/order.hpp"

namespace tw::cudasim {
namespace {

constexpr int kNamedBarriers = 16;

struct NamedBarrier {
  int threads;
  std::vector<Thread*> waiting;
};
NamedBarrier barriers[kNamedBarriers];

}  // namespace

void start_named_barriers() {
  for (NamedBarrier& barrier : barriers) barrier.waiting.clear();
}

void wait_at_named_barrier(int number, int threads, Site site) {
  const std::string where =
      "barrier " + std::to_string(number) + " at " + text(site);
  if (number < 1 || number >= kNamedBarriers)
    return fault(where + ": numbers are 1 to 15, 0 is __syncthreads");
  if (threads < kWarp || threads % kWarp || threads > block_threads())
    return fault(where + " for " + std::to_string(threads) +
                 " threads: whole warps of the block wait");
  make_order_partial();
  NamedBarrier& barrier = barriers[number];
  if (barrier.waiting.empty()) barrier.threads = threads;
  if (barrier.threads != threads)
    fault(where + " for " + std::to_string(threads) +
          " threads, where others wait for " + std::to_string(barrier.threads));
  barrier.waiting.push_back(current);
  if (static_cast<int>(barrier.waiting.size()) < barrier.threads)
    return wait_to_be_woken(site);
  Clocks all;
  for (Thread* thread : barrier.waiting) release(thread->linear, all);
  for (Thread* thread : barrier.waiting) {
    acquire(thread->linear, all);
    if (thread != current) wake(*thread);
  }
  barrier.waiting.clear();
}

}  // namespace tw::cudasim
