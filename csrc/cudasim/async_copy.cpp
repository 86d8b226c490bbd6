#include "cudasim/async_copy.hpp"

#include <cstring>
#include <string>

#include "cudasim/memory.hpp"

namespace tw::cudasim {
namespace {

void land(const Copy& copy) {
  std::memcpy(copy.dst, copy.src, static_cast<size_t>(copy.bytes));
  std::memset(static_cast<char*>(copy.dst) + copy.bytes, 0,
              static_cast<size_t>(copy.zeros));
}

}  // namespace

void copy_async(void* shared, const void* global, int size, int bytes,
                const void* instruction) {
  const void* here = instruction ? instruction : __builtin_return_address(0);
  const auto whole = static_cast<size_t>(size);
  expect_aligned(shared, whole, "asynchronous copy to shared memory");
  if (bytes) {
    expect_aligned(global, whole, "asynchronous copy from global memory");
    if (!shadow_access(global, static_cast<size_t>(bytes), Access::read, here))
      return;
  }
  const auto* begin = static_cast<const unsigned char*>(shared);
  if (begin < launch_state.shared ||
      begin + size > launch_state.shared + launch_state.shared_bytes) {
    fault("asynchronous copy to what is no shared memory of the block");
    return;
  }
  Thread& thread = *current;
  if (thread.copies == kMostCopies) {
    fault("more than " + std::to_string(kMostCopies) +
          " asynchronous copies of a thread on their way");
    return;
  }
  shadow_access(shared, whole, Access::write, here);
  const Copy copy{shared, global, bytes, size - bytes, thread.group};
  if (configuration.late_copies)
    std::memset(shared, 0xff, whole);  // NaN
  else
    land(copy);
  thread.copy[thread.copies++] = copy;
}

void commit_copies() { current->group++; }

void wait_for_copies(int pending, const void* instruction) {
  const void* here = instruction ? instruction : __builtin_return_address(0);
  Thread& thread = *current;
  int left = 0;
  for (int i = 0; i < thread.copies; i++) {
    const Copy& copy = thread.copy[i];
    if (copy.group >= thread.group - pending) {
      thread.copy[left++] = copy;
      continue;
    }
    if (configuration.late_copies) land(copy);
    // Only from here on may the thread itself read it, others after a barrier.
    shadow_access(copy.dst, static_cast<size_t>(copy.bytes + copy.zeros),
                  Access::write, here);
  }
  thread.copies = left;
}

}  // namespace tw::cudasim
