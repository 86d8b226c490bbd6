// The second of three kernels: what the pieces of the rows have left for each
// channel, put together in a fixed order.
#pragma once

#include "cuda/batch_norm/channels.cuh"

namespace tw::cuda {

constexpr int kJoinColumns = 32;
constexpr int kJoinLanes = kNormThreads / kJoinColumns;

template <class Part>
struct JoinShared {
  Part of[kJoinLanes][kJoinColumns];
};

// read(piece) of all pieces of a channel: each of a few threads joins those
// that are kJoinLanes apart, then the first joins what they have. True in that
// one. All threads of the block must call it.
template <class Part, class Read>
__device__ __forceinline__ bool join_pieces(const NormGrid& grid, Part& all,
                                            int64_t channel, Read read) {
  auto& shared = shared_memory<JoinShared<Part>>();
  const int lane = threadIdx.x % kJoinColumns;
  const int part = threadIdx.x / kJoinColumns;
  if (channel < grid.C)
    for (int64_t piece = part; piece * grid.piece < grid.rows;
         piece += kJoinLanes)
      all.join(read(piece));
  shared.of[part][lane] = all;
  __syncthreads();
  if (part != 0 || channel >= grid.C) return false;
  for (int i = 1; i < kJoinLanes; i++) all.join(shared.of[i][lane]);
  return true;
}

__device__ __forceinline__ int64_t joined_channel() {
  return int64_t{blockIdx.x} * kJoinColumns + threadIdx.x % kJoinColumns;
}

inline dim3 joining_blocks(int64_t C) {
  return dim3(static_cast<unsigned>(ceil_div(C, kJoinColumns)));
}

}  // namespace tw::cuda
