// A block of CUDA threads, each a fiber: they run one at a time, until they
// wait at a barrier, wait for the other lanes of a warp, or end. In which order
// is a matter of configuration, and results must not depend on it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cudasim/faults.hpp"
#include "cudasim/fiber.hpp"
#include "cudasim/vector_types.hpp"

namespace tw::cudasim {

constexpr int kWarp = 32;
constexpr int kMostWarps = kMostThreads / kWarp;
constexpr uint32_t kPoison = 0x7fc0dead;     // shared memory at first: NaN
constexpr size_t kMostSharedBytes = 232448;  // a block on Hopper

enum class Order { forward, reverse, random };

struct Configuration {
  Order order = Order::forward;
  unsigned seed = 1;
  // Asynchronous copies land when they are waited for, as late as may be, and
  // leave NaN until then; else at once.
  bool late_copies = true;
  // What the device says of itself: Hopper's instructions, multiprocessors.
  bool hopper = false;
  int multiprocessors = 8;
};
extern Configuration configuration;

// An asynchronous copy on its way (cudasim/async_copy.hpp).
struct Copy {
  void* dst;
  const void* src;
  int bytes, zeros, group;
};
constexpr int kMostCopies = 128;

enum class State : uint8_t {
  ready,
  in_warp_operation,
  at_barrier,
  waiting,  // until it is woken
  done
};

struct Thread {
  void* place;  // of its fiber, while another runs
  uint3 index;
  int linear, lane, warp;
  State state;
  unsigned mask;   // of the warp operation it waits in
  Site site;       // of what it waits for
  void* argument;  // of the warp operation
  int copies, group;
  Copy copy[kMostCopies];
};

struct LaunchState {
  const char* kernel;
  dim3 grid, block;
  uint3 block_index;
  unsigned char* shared;
  size_t shared_bytes;
  uint32_t barriers;  // passed so far, by any block of any launch
};

extern Thread* current;  // null: the scheduler
extern LaunchState launch_state;

using Kernel = void (*)(void* arguments);

// Runs all blocks of a grid, one after the other. Throws std::invalid_argument
// for a launch that no device takes, std::runtime_error for faults.
void run_grid(const char* name, Kernel kernel, void* arguments, dim3 grid,
              dim3 block, size_t shared_bytes);

int block_threads();

// __syncthreads.
void wait_at_barrier(Site site);

// For what else threads wait for.
void wait_to_be_woken(Site site);
void wake(Thread& thread);

// Warp operations: the last lane of the mask to arrive acts for all and then
// releases the others; see warp_operation.
bool arrive_in_warp(unsigned mask, Site site);
void wait_in_warp();
void release_warp(unsigned mask);
Thread* lane_of_current_warp(int lane);

// function(arguments): what the lanes of the mask brought, null for the others.
template <class Argument, class Function>
void warp_operation(unsigned mask, Argument& argument, Function function,
                    Site site) {
  current->argument = &argument;
  if (!arrive_in_warp(mask, site)) return wait_in_warp();
  Argument* of[kWarp];
  for (int lane = 0; lane < kWarp; lane++)
    of[lane] =
        mask >> lane & 1
            ? static_cast<Argument*>(lane_of_current_warp(lane)->argument)
            : nullptr;
  function(of);
  release_warp(mask);
}

}  // namespace tw::cudasim
