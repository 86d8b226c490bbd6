// A caching allocator of 64-byte aligned blocks. Freed blocks are kept by size
// class and handed out again, so a training step in its steady state asks the
// operating system for nothing: giving freed arrays back and faulting them in
// again costs other libraries half of their training time on a CPU.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tw::cpu {

// Throws std::bad_alloc. A size of 0 gives a valid, unique block.
void* allocate(size_t bytes);
void deallocate(void* block) noexcept;

void release_cached_memory() noexcept;

struct AllocatorStats {
  size_t bytes_in_use;
  size_t bytes_cached;
  uint64_t system_allocations;  // since the process began
};
AllocatorStats allocator_stats();

// A scratch array for a driver: taken before a parallel region, because bodies
// must not allocate, and cut into one slice a worker.
class Scratch {
 public:
  Scratch(size_t floats_per_worker, int workers)
      : stride_((floats_per_worker + 15) / 16 * 16),
        data_(stride_ == 0 ? nullptr
                           : static_cast<float*>(allocate(
                                 stride_ * static_cast<size_t>(workers) *
                                 sizeof(float)))) {}
  ~Scratch() { deallocate(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  float* of(int worker) const {
    return data_ + stride_ * static_cast<size_t>(worker);
  }

 private:
  size_t stride_;
  float* data_;
};

}  // namespace tw::cpu
