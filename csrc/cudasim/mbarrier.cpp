#include "cudasim/mbarrier.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "cudasim/async_memory.hpp"
#include "cudasim/memory.hpp"
#include "cudasim/order.hpp"

namespace tw::cudasim {
namespace {

constexpr uint64_t kMark = 0x6d62617272696572;  // xor the barrier's number
constexpr int kMostArrivals = (1 << 20) - 1;
constexpr int64_t kMostBytes = (1 << 20) - 1;

struct Mbarrier {
  uint64_t* address;
  int arrivals, missing;
  int64_t bytes;  // expected and not come
  uint32_t phase;
  Clocks arriving, over;  // what is told in this phase, and was in earlier ones
  std::vector<Thread*> waiting;
  // By whom and when it was made.
  int maker;
  uint32_t clock, barrier, fences;
};

std::vector<Mbarrier> mbarriers;

Mbarrier* find(const uint64_t* address) {
  for (Mbarrier& barrier : mbarriers)
    if (barrier.address == address) return &barrier;
  return nullptr;
}

// The barrier, if it is one and the current thread may know it.
Mbarrier* checked(const uint64_t* address, const char* operation) {
  Mbarrier* barrier = find(address);
  if (!barrier) {
    fault(std::string(operation) + " of what is no mbarrier");
    return nullptr;
  }
  uint64_t mark;
  std::memcpy(&mark, address, sizeof mark);
  if (mark != (kMark ^ static_cast<uint64_t>(barrier - mbarriers.data()))) {
    fault(std::string(operation) + " of an mbarrier that was overwritten");
    return nullptr;
  }
  const int self = current->linear;
  if (self != barrier->maker && launch_state.barriers == barrier->barrier &&
      !knows(self, barrier->maker, barrier->clock))
    fault(std::string(operation) +
          " of an mbarrier whose making nothing put before it");
  return barrier;
}

void end_phase(Mbarrier& barrier) {
  const auto actor =
      static_cast<size_t>(kPhasesOfMbarrier + (&barrier - mbarriers.data()));
  barrier.phase++;
  barrier.missing = barrier.arrivals;
  join(barrier.over, barrier.arriving);
  if (barrier.over.empty()) barrier.over.assign(kActors, 0);
  barrier.over[actor] = barrier.phase;
  barrier.arriving.clear();
  for (Thread* thread : barrier.waiting) wake(*thread);
  barrier.waiting.clear();
}

void end_phase_if_due(Mbarrier& barrier) {
  if (barrier.missing == 0 && barrier.bytes == 0) end_phase(barrier);
}

}  // namespace

void start_mbarriers() { mbarriers.clear(); }

void finish_mbarriers() {
  for (const Mbarrier& barrier : mbarriers)
    if (barrier.bytes > 0)
      fault("an mbarrier is left waiting for " + std::to_string(barrier.bytes) +
            " bytes");
    else if (barrier.bytes < 0)
      fault("an mbarrier is left with " + std::to_string(-barrier.bytes) +
            " bytes that no arrival expected in their phase");
}

void init_mbarrier(uint64_t* address, int arrivals) {
  expect_aligned(address, 8, "mbarrier");
  if (!in_shared_memory(address, 8))
    return fault("mbarrier outside of the block's shared memory");
  if (arrivals < 1 || arrivals > kMostArrivals)
    return fault("mbarrier for " + std::to_string(arrivals) + " arrivals");
  if (find(address)) return fault("mbarrier made twice");
  if (mbarriers.size() == kMostMbarriers)
    return fault("more than " + std::to_string(kMostMbarriers) +
                 " mbarriers in a block");
  make_order_partial();
  const uint64_t mark = kMark ^ mbarriers.size();
  std::memcpy(address, &mark, sizeof mark);
  const int self = current->linear;
  mbarriers.push_back({address,
                       arrivals,
                       arrivals,
                       0,
                       0,
                       {},
                       {},
                       {},
                       self,
                       clock_of(self),
                       launch_state.barriers,
                       proxy_fences_of(self)});
}

void arrive_at_mbarrier(uint64_t* address, int bytes) {
  Mbarrier* barrier = checked(address, "arrival");
  if (!barrier) return;
  if (barrier->missing == 0)
    return fault("arrival at an mbarrier where all " +
                 std::to_string(barrier->arrivals) + " have arrived");
  barrier->bytes += bytes;
  if (barrier->bytes > kMostBytes)
    return fault("mbarrier waiting for " + std::to_string(barrier->bytes) +
                 " bytes");
  release(current->linear, barrier->arriving);
  barrier->missing--;
  end_phase_if_due(*barrier);
}

void wait_at_mbarrier(uint64_t* address, uint32_t parity, Site site) {
  Mbarrier* barrier = checked(address, "wait");
  if (!barrier) return;
  if (parity > 1) return fault("mbarrier: parity " + std::to_string(parity));
  if ((barrier->phase & 1) == parity) {
    barrier->waiting.push_back(current);
    wait_to_be_woken(site);
    barrier = find(address);
    if ((barrier->phase & 1) == parity)
      fault("wait at " + text(site) +
            ": another phase of the mbarrier went by unseen");
  }
  acquire(current->linear, barrier->over);
}

int mbarrier_of_engine(const uint64_t* address) {
  Mbarrier* barrier = checked(address, "tile copy that counts for an mbarrier");
  if (!barrier) return -1;
  if (proxy_fences_of(barrier->maker) == barrier->fences)
    fault("mbarrier of a tile copy: its maker did not fence the async proxy");
  return static_cast<int>(barrier - mbarriers.data());
}

uint32_t phase_of_mbarrier(int number) {
  return mbarriers[static_cast<size_t>(number)].phase;
}

void complete_bytes(int number, int64_t bytes) {
  Mbarrier& barrier = mbarriers[static_cast<size_t>(number)];
  barrier.bytes -= bytes;
  end_phase_if_due(barrier);
}

}  // namespace tw::cudasim
