// Rows of a matrix, each in the hands of 8, 32 or 256 neighbouring threads:
// reductions over them, and their elements one or four at a time.
#pragma once

#include "common/integers.h"
#include "cuda/device/lanes.hpp"
#include "cuda/launch.hpp"

namespace tw::cuda {

constexpr int kRowThreads = 256;  // of a block

struct RowShared {
  float of_warp[kRowThreads / 32];
};

struct Add {
  __device__ __forceinline__ float operator()(float a, float b) const {
    return a + b;
  }
};
struct Greater {
  __device__ __forceinline__ float operator()(float a, float b) const {
    return fmaxf(a, b);
  }
};

// The value combined over the threads of a row, for each of them. All threads
// of the block must call it.
template <int kTeam, class Combine>
__device__ __forceinline__ float over_row(RowShared& shared, float value,
                                          Combine combine) {
  constexpr int kWidth = kTeam < 32 ? kTeam : 32;
#pragma unroll
  for (int flip = kWidth / 2; flip > 0; flip /= 2)
    value = combine(value, __shfl_xor_sync(~0u, value, flip));
  if constexpr (kTeam > 32) {
    static_assert(kTeam == kRowThreads, "a row is a block's");
    __syncthreads();  // what was there before has been read
    if (threadIdx.x % 32 == 0) shared.of_warp[threadIdx.x / 32] = value;
    __syncthreads();
    value = shared.of_warp[0];
    for (int warp = 1; warp < kRowThreads / 32; warp++)
      value = combine(value, shared.of_warp[warp]);
  }
  return value;
}

// A row's exponentials are taken relative to `max`, and add up to `sum` (M.
// Milakov and N. Gimelshein, arXiv:1805.02867).
struct Normalizer {
  float max = -INFINITY, sum = 0;

  __device__ __forceinline__ float shift() const {
    return max == -INFINITY ? 0 : max;  // no infinity minus infinity
  }
  __device__ __forceinline__ void add(float x) {
    if (x > max) {
      sum *= expf(max - x);
      max = x;
    }
    sum += expf(x - shift());
  }
};

template <int kTeam>
__device__ __forceinline__ void combine_over_row(RowShared& shared,
                                                 Normalizer& n) {
  const float max = over_row<kTeam>(shared, n.max, Greater());
  // A thread that saw no number has the sum 0, or NaN.
  const float scale = n.max == -INFINITY ? 1 : expf(n.max - max);
  n.max = max;
  n.sum = over_row<kTeam>(shared, n.sum * scale, Add());
}

// The row of a thread, and what it has of it.
template <int kTeam>
struct RowOfThread {
  int64_t row;
  int first;  // of the team's threads

  __device__ __forceinline__ RowOfThread()
      : row(int64_t{blockIdx.x} * (kRowThreads / kTeam) + threadIdx.x / kTeam),
        first(threadIdx.x % kTeam) {}

  // body(column) at every kLanes-th column of the thread.
  template <int kLanes, class Body>
  __device__ __forceinline__ void each(int64_t columns, Body body) const {
    for (int64_t c = int64_t{first} * kLanes; c < columns; c += kTeam * kLanes)
      body(c);
  }
};

// Threads for rows of a length: run(team) with 8, 32 or 256.
constexpr int64_t kShortRow = 64, kLongRow = 2048;

template <int kTeam>
dim3 row_grid(int64_t rows) {
  return dim3(static_cast<unsigned>(ceil_div(rows, kRowThreads / kTeam)));
}

inline bool row_quads(const void* a, const void* b, int64_t columns) {
  return columns % 4 == 0 && all_aligned(a, b);
}

}  // namespace tw::cuda
