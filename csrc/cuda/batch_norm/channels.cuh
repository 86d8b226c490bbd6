// Rows of channels in the hands of blocks: threads side by side take channels
// side by side, one or four each, so that they read whole sectors; the rows are
// cut into pieces by the shape alone, a piece a block.
#pragma once

#include "common/integers.h"
#include "cuda/device/lanes.hpp"
#include "cuda/launch.hpp"

namespace tw::cuda {

constexpr int kNormThreads = 256;
constexpr int64_t kMostBlocksAlong = 65535;  // of a grid's second axis

// How a kernel's grid lies over the rows and channels.
struct NormGrid {
  int64_t rows, C;
  int64_t piece;  // rows of a block
  int groups;     // blocks side by side

  int64_t pieces() const { return ceil_div(rows, piece); }
  dim3 blocks() const {
    return dim3(static_cast<unsigned>(groups), static_cast<unsigned>(pieces()));
  }
};

// kColumns threads side by side, of kLanes channels each.
template <int kLanes, int kColumns>
struct NormThread {
  static constexpr int kRowLanes = kNormThreads / kColumns;
  int lane;         // among the threads side by side
  int row_lane;     // among those of the same channels
  int64_t channel;  // the first
  int64_t begin, end;

  __device__ __forceinline__ explicit NormThread(const NormGrid& grid)
      : lane(threadIdx.x % kColumns),
        row_lane(threadIdx.x / kColumns),
        channel((int64_t{blockIdx.x} * kColumns + lane) * kLanes),
        begin(blockIdx.y * grid.piece),
        end(grid.rows - begin < grid.piece ? grid.rows : begin + grid.piece) {}

  // Whether there are channels for it.
  __device__ __forceinline__ bool works(const NormGrid& grid) const {
    return channel < grid.C;
  }
};

// What a block's threads have of the same channels, to be added up.
template <int kLanes, int kColumns>
struct NormShared {
  double first[kNormThreads / kColumns][kColumns][kLanes];
  double second[kNormThreads / kColumns][kColumns][kLanes];
};

// Adds what the threads of the same channels have, in their order; true in the
// threads that have the sums.
template <int kLanes, int kColumns>
__device__ __forceinline__ bool add_up(const NormThread<kLanes, kColumns>& mine,
                                       double (&first)[kLanes],
                                       double (&second)[kLanes]) {
  auto& shared = shared_memory<NormShared<kLanes, kColumns>>();
#pragma unroll
  for (int i = 0; i < kLanes; i++) {
    shared.first[mine.row_lane][mine.lane][i] = first[i];
    shared.second[mine.row_lane][mine.lane][i] = second[i];
  }
  __syncthreads();
  if (mine.row_lane != 0) return false;
  for (int part = 1; part < mine.kRowLanes; part++) {
#pragma unroll
    for (int i = 0; i < kLanes; i++) {
      first[i] += shared.first[part][mine.lane][i];
      second[i] += shared.second[part][mine.lane][i];
    }
  }
  return true;
}

constexpr int kUnroll = 4;  // rows whose loads are under way at once

// many(row) for kUnroll rows, one(row) for those left over.
template <int kLanes, int kColumns, class Many, class One>
__device__ __forceinline__ void over_rows(
    const NormThread<kLanes, kColumns>& mine, Many many, One one) {
  constexpr int64_t kStep = NormThread<kLanes, kColumns>::kRowLanes;
  int64_t row = mine.begin + mine.row_lane;
  for (; row + (kUnroll - 1) * kStep < mine.end; row += kUnroll * kStep)
    many(row);
  for (; row < mine.end; row += kStep) one(row);
}

// What belongs to a thread's channels in the forward direction; the same
// numbers in both directions, for relu.
template <int kLanes>
struct NormAffine {
  Lanes<kLanes> mean, scale, shift;

  __device__ __forceinline__ NormAffine(const float* saved, const float* weight,
                                        const float* bias, int64_t channel,
                                        int64_t C)
      : mean(Lanes<kLanes>::load(saved + channel)),
        scale(Lanes<kLanes>::all(1)),
        shift(Lanes<kLanes>::all(0)) {
#pragma unroll
    for (int i = 0; i < kLanes; i++) {
      const int64_t c = channel + i;
      scale.of[i] = (weight ? weight[c] : 1) * saved[2 * C + c];
      shift.of[i] = fmaf(-saved[C + c], scale.of[i], bias ? bias[c] : 0);
    }
  }
  __device__ __forceinline__ float of(float x, int i) const {
    return fmaf(x - mean.of[i], scale.of[i], shift.of[i]);
  }
};

// Sums leave at most so many pieces to be joined, of at least so many rows.
constexpr int64_t kMostPieces = 256, kFewestRows = 64;

inline int64_t at_least(int64_t rows, int64_t least) {
  return rows < least ? least : rows;
}
inline int64_t sum_piece(int64_t rows) {
  return at_least(ceil_div(rows, kMostPieces), kFewestRows);
}
inline int64_t sum_pieces(int64_t rows) {
  return ceil_div(rows, sum_piece(rows));
}

inline NormGrid sum_grid(int64_t rows, int64_t C) {
  return {rows, C, sum_piece(rows), 0};
}

inline bool aligned(const void* array) {
  return reinterpret_cast<uintptr_t>(array) % 16 == 0;
}

// run(lanes, columns) with constants that suit so many channels.
template <int value>
struct Constant {
  static constexpr int of = value;
};
template <class Run>
void by_channels(int64_t C, bool quads, Run run) {
  if (quads && C >= 128) return run(Constant<4>(), Constant<32>());
  if (quads) return run(Constant<4>(), Constant<8>());
  if (C >= 32) return run(Constant<1>(), Constant<32>());
  if (C >= 4) return run(Constant<1>(), Constant<8>());
  run(Constant<1>(), Constant<1>());
}

template <class Lanes, class Columns>
NormGrid across(NormGrid grid, Lanes, Columns) {
  grid.groups = static_cast<int>(ceil_div(grid.C, Lanes::of * Columns::of));
  return grid;
}

// Over all rows once more.
inline NormGrid map_grid(int64_t rows, int64_t C) {
  return {rows, C, at_least(ceil_div(rows, kMostBlocksAlong), kFewestRows), 0};
}

}  // namespace tw::cuda
