// Sums that a reduction's chunks make each for itself, to be added in order:
// the bits of the total do not depend on which thread had which chunk.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/integers.h"
#include "cpu/allocator.h"
#include "cpu/parallel.h"

namespace tw::cpu {

// The first chunk's sums are the result itself.
class ChunkSums {
 public:
  ChunkSums(float* result, int64_t size, int64_t chunks)
      : result_(result),
        size_(size),
        chunks_(chunks),
        others_(static_cast<size_t>(size), static_cast<int>(chunks - 1)) {}

  float* of(int64_t chunk) const {
    return chunk == 0 ? result_ : others_.of(static_cast<int>(chunk - 1));
  }

  void add_up() const {
    const int threads = threads_for_bytes(4.0 * size_ * (chunks_ - 1));
    constexpr int64_t block = 4096;
    parallel_for(ceil_div(size_, block), threads, [&](int64_t task, int) {
      const int64_t begin = task * block, end = std::min(begin + block, size_);
      for (int64_t chunk = 1; chunk < chunks_; chunk++) {
        const float* other = of(chunk);
        for (int64_t i = begin; i < end; i++) result_[i] += other[i];
      }
    });
  }

 private:
  float* result_;
  int64_t size_, chunks_;
  Scratch others_;
};

}  // namespace tw::cpu
