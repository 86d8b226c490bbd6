// Fibers: a stack for each CUDA thread of a block, switched in user space, so
// that a thread can wait at a barrier in the middle of a kernel.
#pragma once

#include <cstddef>

namespace tw::cudasim {

constexpr int kMostThreads = 1024;  // of a block
constexpr size_t kStackBytes = 128 << 10;

// All stacks, mapped once; each has a page below it that faults.
struct StackRange {
  const unsigned char* begin;
  size_t bytes;
};
StackRange stacks();

// A fiber that begins with `entry`, on stack `number`; returns what to switch
// to. `entry` must not return.
void* prepare_fiber(int number, void (*entry)());

// Goes on where `to` stood. This fiber's place is stored in *from. `number` is
// the stack that `to` runs on, or kSchedulerStack.
constexpr int kSchedulerStack = -1;
void switch_fiber(void** from, void* to, int number);

// To be called first by the entry of a fiber (AddressSanitizer is told).
void fiber_entered();

}  // namespace tw::cudasim
