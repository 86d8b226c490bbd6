// Direct convolution of one to four input channels. As a product its depth
// would be short (9 for 3 x 3 taps of grey pixels), and each of its numbers
// would be found by divisions and bounds of its own. Here a block takes a
// rectangle of output pixels: the patch of the image below it lies in shared
// memory with its padding, so that a tap is an offset.
//
// Forward, a thread has 8 pixels by 8 output channels, and 64 multiplications
// for 10 reads of shared memory. The gradient of the weight has 8 weights of 8
// output channels a thread, over some of the rectangle's pixels; blocks go over
// rectangles in strides, and their sums are added in the blocks' order.
#pragma once

#include <stdexcept>

#include "common/integers.h"
#include "cuda/conv2d/few_channels.h"
#include "cuda/conv2d/geometry.cuh"
#include "cuda/device/memory.hpp"
#include "cuda/gemm/split.cuh"

namespace tw::cuda {

constexpr int kFewThreads = 256;
constexpr int kEight = 8;          // pixels, or weights, of a thread
constexpr int kMostWeights = 160;  // of an output channel: 7 x 7 x 3 are 147
constexpr int kTileColumns = 16;
constexpr int kMostParts = 128;

// kLanes threads side by side have 8 output channels each.
template <int kLanes>
constexpr int kTileChannels = 8 * kLanes;
template <int kLanes>
constexpr int kTileRows = kFewThreads / kLanes * kEight / kTileColumns;
constexpr int kGradientRows = 8;  // of a rectangle, in the weight's pass
// Floats of a patch, enough for 7 x 7 taps of 3 channels and a stride of 2.
template <int kLanes>
constexpr int kMostPatch = kLanes == 4 ? 7680 : 4128;
constexpr int kMostGradientPatch = 2336;
// Products of fewer weights do not pay for a tile of tensor cores.
constexpr int kManyWeights = 32;

// Rectangles of output pixels, and the patch of the input below each.
struct Patches {
  int rows, columns;                             // of a rectangle
  int patch_rows, patch_columns;                 // pixels
  int across, down;                              // rectangles of an image
  Divider by_across, by_of_image, by_patch_row;  // a row's floats

  Patches() = default;
  Patches(const ConvShape& d, int rows)
      : rows(rows),
        columns(kTileColumns),
        patch_rows(extent(rows, d.stride_h, d.r, d.dilation_h)),
        patch_columns(extent(kTileColumns, d.stride_w, d.s, d.dilation_w)),
        across(static_cast<int>(ceil_div(d.q, kTileColumns))),
        down(static_cast<int>(ceil_div(d.p, rows))),
        by_across(across),
        by_of_image(int64_t{across} * down),
        by_patch_row(int64_t{patch_columns} * d.c) {}

  // Cut off where the size is certain to be refused.
  static int extent(int outputs, int64_t stride, int64_t taps,
                    int64_t dilation) {
    constexpr int64_t kMost = 1 << 20;
    const int64_t e = (outputs - 1) * stride + (taps - 1) * dilation + 1;
    return static_cast<int>(e < kMost ? e : kMost);
  }
  int64_t size(int64_t channels) const {  // floats
    return int64_t{patch_rows} * patch_columns * channels;
  }
  int64_t count(int64_t images) const { return images * across * down; }

  // Image, and first row and column, of a rectangle.
  __device__ __forceinline__ void place(int number, int& image, int& p,
                                        int& q) const {
    int rest, column;
    image = by_of_image.split(number, rest);
    p = by_across.split(rest, column) * rows;
    q = column * columns;
  }
  // Copies the patch of a rectangle, zeros where the image ends.
  __device__ __forceinline__ void fill(const ConvGeometry& d, const float* x,
                                       int image, int p, int q,
                                       float* patch) const {
    const int top = p * d.stride_h - d.pad_top;
    const int left = q * d.stride_w - d.pad_left;
    const float* from = x + int64_t{image} * d.h * d.w * d.c;
    const int width = patch_columns * d.c;
    for (int i = threadIdx.x; i < patch_rows * width; i += kFewThreads) {
      int within, channel;
      const int row = top + by_patch_row.split(i, within);
      const int column = left + d.by_group_c.split(within, channel);
      const bool inside = d.inside(row, column);
      patch[i] =
          inside ? from[(int64_t{row} * d.w + column) * d.c + channel] : 0;
    }
  }
};

// What the kernels have in common.
struct FewChannels {
  ConvGeometry d;
  Patches patches;
  const float* x;
  MatrixStore store;  // of y, or of the parts of dweight
  int rectangles, weights;
};

// Adds the products of eight numbers by eight.
__device__ __forceinline__ void multiply(const float (&left)[kEight],
                                         float4 low, float4 high,
                                         float (&sum)[kEight][8]) {
  const float right[8] = {low.x,  low.y,  low.z,  low.w,
                          high.x, high.y, high.z, high.w};
#pragma unroll
  for (int i = 0; i < kEight; i++)
#pragma unroll
    for (int j = 0; j < 8; j++) sum[i][j] += left[i] * right[j];
}

inline int weights_of(const ConvShape& d) {
  return static_cast<int>(d.r * d.s * d.c);
}

inline FewChannels arguments_of(const ConvShape& d, int rows, const float* x,
                                const MatrixStore& store) {
  const Patches patches(d, rows);
  FewChannels p{ConvGeometry(d), patches, x, store, 0, 0};
  const int64_t rectangles = patches.count(d.n);
  if (rectangles > INT32_MAX)
    throw std::invalid_argument("conv2d: more than 2**31 - 1 tiles");
  p.rectangles = static_cast<int>(rectangles);
  p.weights = weights_of(d);
  return p;
}

template <int kLanes>
dim3 grid_of(const ConvShape& d, int64_t blocks) {
  return dim3(static_cast<unsigned>(blocks),
              static_cast<unsigned>(ceil_div(d.k, kTileChannels<kLanes>)));
}

}  // namespace tw::cuda
