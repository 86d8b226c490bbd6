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

}  // namespace tw::cuda
