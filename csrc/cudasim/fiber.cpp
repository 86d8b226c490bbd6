#include "cudasim/fiber.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define TW_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TW_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef TW_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__)
#error "the CUDA simulator switches stacks on x86-64 alone"
#endif

extern "C" void tw_cudasim_switch(void** from, void* to);

// The System V ABI's callee-saved registers; the rest is lost in any call.
asm(R"(
.text
.globl tw_cudasim_switch
.hidden tw_cudasim_switch
.type tw_cudasim_switch,@function
tw_cudasim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size tw_cudasim_switch, .-tw_cudasim_switch
)");

namespace tw::cudasim {
namespace {

constexpr int kSavedRegisters = 6;
#ifdef TW_ADDRESS_SANITIZER
constexpr size_t kLeftBytes = 4096;  // more than the last calls of a fiber take
#endif

unsigned char* map_stacks() {
  const size_t bytes = kStackBytes * kMostThreads;
  void* memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<unsigned char*>(memory);
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < kMostThreads; i++)
    mprotect(begin + kStackBytes * static_cast<size_t>(i), page, PROT_NONE);
  return begin;
}

unsigned char* base() {
  static unsigned char* memory = map_stacks();
  return memory;
}

unsigned char* stack(int number) {
  return base() + kStackBytes * static_cast<size_t>(number);
}

#ifdef TW_ADDRESS_SANITIZER
const void* scheduler_stack = nullptr;
size_t scheduler_bytes = 0;
#endif

}  // namespace

StackRange stacks() { return {base(), kStackBytes * kMostThreads}; }

void* prepare_fiber(int number, void (*entry)()) {
  // Tops at the same offset of every stack would share their cache sets.
  const size_t stagger = static_cast<size_t>(number) * 832 % 16384 / 64 * 64;
  auto** top =
      reinterpret_cast<void**>(stack(number) + kStackBytes - 64 - stagger);
#ifdef TW_ADDRESS_SANITIZER
  // The fiber before it never returned from the call that left it: the red
  // zones around those frames are still there.
  __asan_unpoison_memory_region(reinterpret_cast<char*>(top) - kLeftBytes,
                                kLeftBytes);
#endif
  *--top = nullptr;  // where `entry` would return to
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < kSavedRegisters; i++) *--top = nullptr;
  return top;
}

void switch_fiber(void** from, void* to, [[maybe_unused]] int number) {
#ifdef TW_ADDRESS_SANITIZER
  void* fake_stack;
  if (number == kSchedulerStack)
    __sanitizer_start_switch_fiber(&fake_stack, scheduler_stack,
                                   scheduler_bytes);
  else
    __sanitizer_start_switch_fiber(&fake_stack, stack(number), kStackBytes);
#endif
  tw_cudasim_switch(from, to);
#ifdef TW_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

void fiber_entered() {
#ifdef TW_ADDRESS_SANITIZER
  // The first fiber of a launch comes from the scheduler, whose stack has to be
  // known to go back to it; the others come from fibers.
  const void* lowest = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(nullptr, &lowest, &bytes);
  const auto* begin = static_cast<const unsigned char*>(lowest);
  if (begin < base() || begin >= base() + kStackBytes * kMostThreads) {
    scheduler_stack = lowest;
    scheduler_bytes = bytes;
  }
#endif
}

}  // namespace tw::cudasim
