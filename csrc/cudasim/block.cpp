#include "cudasim/block.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "cudasim/async_memory.hpp"
#include "cudasim/mbarrier.hpp"
#include "cudasim/named_barrier.hpp"
#include "cudasim/order.hpp"
#include "cudasim/registers.hpp"
#include "cudasim/shadow.hpp"
#include "cudasim/tile_copy.hpp"
#include "cudasim/wgmma.hpp"

namespace tw::cudasim {

Configuration configuration;
Thread* current = nullptr;
LaunchState launch_state{};

namespace {

Thread threads[kMostThreads];
Kernel running_kernel;
void* kernel_arguments;
void* scheduler_place;

// A warp's lanes in the order in which they take their turns.
struct Warp {
  int lanes;
  int order[kWarp];  // rank -> lane
  int rank[kWarp];   // lane -> rank
  uint32_t ready;    // by rank
  uint32_t waiting;  // in a warp operation, by lane
};
Warp warps[kMostWarps];
std::vector<int> warp_order;
int thread_count, done_count, barrier_count;

void set_ready(Thread& thread) {
  Warp& warp = warps[thread.warp];
  thread.state = State::ready;
  warp.ready |= 1u << warp.rank[thread.lane];
}

void set_waiting(Thread& thread, State state) {
  Warp& warp = warps[thread.warp];
  thread.state = state;
  warp.ready &= ~(1u << warp.rank[thread.lane]);
}

Thread* next_of(int w) {
  const Warp& warp = warps[w];
  if (!warp.ready) return nullptr;
  return &threads[w * kWarp + warp.order[__builtin_ctz(warp.ready)]];
}

void go_to(void** from, Thread* thread) {
  current = thread;
  if (thread)
    switch_fiber(from, thread->place, thread->linear);
  else
    switch_fiber(from, scheduler_place, kSchedulerStack);
}

// To the next lane of the warp that can run, else to the scheduler.
void leave() {
  Thread* self = current;
  go_to(&self->place, next_of(self->warp));
}

void enter() {
  fiber_entered();
  running_kernel(kernel_arguments);
  Thread& self = *current;
  if (self.copies)
    fault("ends with " + std::to_string(self.copies) +
          " asynchronous copies that nothing waited for");
  set_waiting(self, State::done);
  done_count++;
  leave();
}

void shuffle(int* begin, int count, std::mt19937& random) {
  for (int i = 0; i < count; i++) begin[i] = i;
  if (configuration.order == Order::reverse) std::reverse(begin, begin + count);
  if (configuration.order == Order::random)
    std::shuffle(begin, begin + count, random);
}

// Deals the turns anew: at the start and after each barrier.
void deal(std::mt19937& random) {
  shuffle(warp_order.data(), static_cast<int>(warp_order.size()), random);
  for (size_t w = 0; w < warp_order.size(); w++) {
    Warp& warp = warps[w];
    shuffle(warp.order, warp.lanes, random);
    warp.ready = 0;
    for (int rank = 0; rank < warp.lanes; rank++) {
      const int lane = warp.order[rank];
      warp.rank[lane] = rank;
      if (threads[w * kWarp + lane].state == State::ready)
        warp.ready |= 1u << rank;
    }
  }
}

void start_block(std::mt19937& random) {
  const dim3 size = launch_state.block;
  for (size_t i = 0; i + 4 <= launch_state.shared_bytes; i += 4)
    std::memcpy(launch_state.shared + i, &kPoison, 4);
  for (int i = 0; i < thread_count; i++) {
    Thread& thread = threads[i];
    const auto linear = static_cast<unsigned>(i);
    thread.linear = i;
    thread.lane = i % kWarp;
    thread.warp = i / kWarp;
    thread.index = {linear % size.x, linear / size.x % size.y,
                    linear / (size.x * size.y)};
    thread.state = State::ready;
    thread.copies = thread.group = 0;
    thread.place = prepare_fiber(i, enter);
  }
  warp_order.resize(static_cast<size_t>((thread_count + kWarp - 1) / kWarp));
  for (size_t w = 0; w < warp_order.size(); w++) {
    warps[w].waiting = 0;
    warps[w].lanes =
        std::min(kWarp, thread_count - static_cast<int>(w) * kWarp);
  }
  done_count = barrier_count = 0;
  launch_state.barriers++;
  shadow_block();
  start_order();
  start_async_memory();
  start_mbarriers();
  start_named_barriers();
  start_tile_copies();
  start_products();
  start_registers();
  deal(random);
}

// Every thread waits at the barrier or has ended.
void release_barrier(std::mt19937& random) {
  if (done_count)
    fault(std::to_string(done_count) + " threads have ended while " +
          std::to_string(barrier_count) + " wait at a barrier");
  const Thread* first = nullptr;
  for (int i = 0; i < thread_count; i++) {
    Thread& thread = threads[i];
    if (thread.state != State::at_barrier) continue;
    if (!first) first = &thread;
    if (!(thread.site == first->site)) {
      fault("divergent barrier: threads " + std::to_string(first->linear) +
            " and " + std::to_string(i) + " wait at " + text(first->site) +
            " and " + text(thread.site));
      break;
    }
  }
  shadow_barrier(thread_count);
  join_block();
  for (int i = 0; i < thread_count; i++)
    if (threads[i].state == State::at_barrier) threads[i].state = State::ready;
  barrier_count = 0;
  launch_state.barriers++;
  deal(random);
}

void report_deadlock() {
  std::string where;
  for (int i = 0; i < thread_count && where.empty(); i++)
    if (threads[i].state == State::in_warp_operation ||
        threads[i].state == State::waiting)
      where =
          ", thread " + std::to_string(i) +
          (threads[i].state == State::waiting ? " at "
                                              : " in a warp operation at ") +
          text(threads[i].site);
  fault("deadlock: " + std::to_string(done_count) + " threads have ended, " +
        std::to_string(barrier_count) + " wait at a barrier" + where);
}

void run_block(std::mt19937& random) {
  start_block(random);
  while (done_count < thread_count) {
    bool ran = false;
    for (int w : warp_order) {
      Thread* thread = next_of(w);
      if (!thread) continue;
      ran = true;
      go_to(&scheduler_place, thread);
      current = nullptr;
    }
    if (barrier_count && done_count + barrier_count == thread_count) {
      release_barrier(random);
    } else if (!ran && !land_a_tile(random)) {
      report_deadlock();
      break;
    }
  }
  shadow_barrier(thread_count);
  finish_tile_copies();
  finish_mbarriers();
  finish_products();
  finish_registers();
}

void check_launch(dim3 grid, dim3 block, size_t shared_bytes) {
  const uint64_t size = uint64_t{block.x} * block.y * block.z;
  const bool right = size >= 1 && size <= kMostThreads && block.z <= 64 &&
                     grid.x >= 1 && grid.y >= 1 && grid.z >= 1 &&
                     grid.x <= INT32_MAX && grid.y <= 65535 &&
                     grid.z <= 65535 && shared_bytes <= kMostSharedBytes;
  if (!right)
    throw std::invalid_argument(
        "launch of grid (" + std::to_string(grid.x) + ", " +
        std::to_string(grid.y) + ", " + std::to_string(grid.z) +
        "), block of " + std::to_string(size) + " threads, " +
        std::to_string(shared_bytes) + " bytes of shared memory");
}

std::vector<uint64_t> block_sequence(dim3 grid, std::mt19937& random) {
  std::vector<uint64_t> result(size_t{grid.x} * grid.y * grid.z);
  for (size_t i = 0; i < result.size(); i++) result[i] = i;
  if (configuration.order == Order::reverse)
    std::reverse(result.begin(), result.end());
  if (configuration.order == Order::random)
    std::shuffle(result.begin(), result.end(), random);
  return result;
}

}  // namespace

void run_grid(const char* name, Kernel kernel, void* arguments, dim3 grid,
              dim3 block, size_t shared_bytes) {
  check_launch(grid, block, shared_bytes);
  static std::mutex one_launch;
  const std::lock_guard<std::mutex> lock(one_launch);
  running_kernel = kernel;
  kernel_arguments = arguments;
  thread_count = static_cast<int>(block.x * block.y * block.z);
  launch_state.kernel = name;
  launch_state.grid = grid;
  launch_state.block = block;
  launch_state.shared_bytes = shared_bytes;
  // Exactly the size, so that AddressSanitizer sees what lies behind it.
  const auto free_memory = [](unsigned char* memory) { std::free(memory); };
  void* memory = nullptr;
  if (posix_memalign(&memory, 1024, std::max<size_t>(shared_bytes, 1)))
    throw std::bad_alloc();
  const std::unique_ptr<unsigned char, decltype(free_memory)> shared(
      static_cast<unsigned char*>(memory), free_memory);
  launch_state.shared = shared.get();
  clear_faults();
  shadow_launch();
  std::mt19937 random(configuration.seed);
  for (uint64_t i : block_sequence(grid, random)) {
    launch_state.block_index = {static_cast<unsigned>(i % grid.x),
                                static_cast<unsigned>(i / grid.x % grid.y),
                                static_cast<unsigned>(i / grid.x / grid.y)};
    run_block(random);
  }
  current = nullptr;
  throw_faults(name);
}

int block_threads() { return thread_count; }

void wait_to_be_woken(Site site) {
  current->site = site;
  set_waiting(*current, State::waiting);
  leave();
}

void wake(Thread& thread) { set_ready(thread); }

void wait_at_barrier(Site site) {
  current->site = site;
  set_waiting(*current, State::at_barrier);
  barrier_count++;
  leave();
}

bool arrive_in_warp(unsigned mask, Site site) {
  Thread& self = *current;
  self.mask = mask;
  self.site = site;
  if (!(mask >> self.lane & 1))
    fault("warp operation at " + text(site) +
          ": the mask lacks the calling lane");
  const unsigned others = mask & ~(1u << self.lane);
  if ((warps[self.warp].waiting & others) != others) return false;
  for (unsigned rest = others; rest; rest &= rest - 1) {
    const Thread& other = *lane_of_current_warp(__builtin_ctz(rest));
    if (other.mask != mask) return false;
    if (!(other.site == site)) {
      fault("divergent warp operation: lanes at " + text(site) + " and " +
            text(other.site));
      break;
    }
  }
  return true;
}

void wait_in_warp() {
  warps[current->warp].waiting |= 1u << current->lane;
  set_waiting(*current, State::in_warp_operation);
  leave();
}

void release_warp(unsigned mask) {
  warps[current->warp].waiting &= ~mask;
  for (unsigned rest = mask & ~(1u << current->lane); rest; rest &= rest - 1)
    set_ready(*lane_of_current_warp(__builtin_ctz(rest)));
}

Thread* lane_of_current_warp(int lane) {
  return &threads[current->warp * kWarp + lane];
}

}  // namespace tw::cudasim
