// What the backward passes of a convolution under a max-pool share
// (conv2d_max_pool2d_backward_input.cpp,
// conv2d_max_pool2d_backward_weight.cpp). Included by these two alone.
#pragma once

#include <algorithm>
#include <cstring>

#include "common/integers.h"
#include "cpu/allocator.h"
#include "cpu/conv2d.h"
#include "cpu/conv2d_max_pool2d_kernels.h"
#include "cpu/parallel.h"
#include "cpu/pool2d.h"

namespace tw::cpu {

// Rows and columns of the padded image, as far as filters reach.
inline int64_t padded_rows(const PooledGradient& g) {
  const int64_t rows = (g.pooled_p - 1) * g.pool_stride_h + g.window_h;
  return (rows - 1) * g.shape.stride_h + (g.shape.r - 1) * g.shape.dilation_h +
         1;
}
inline int64_t padded_columns(const PooledGradient& g) {
  const int64_t columns = (g.pooled_q - 1) * g.pool_stride_w + g.window_w;
  return (columns - 1) * g.shape.stride_w +
         (g.shape.s - 1) * g.shape.dilation_w + 1;
}
inline double padded_floats(const PooledGradient& g) {
  return static_cast<double>(std::max(padded_rows(g), g.shape.h)) *
         static_cast<double>(std::max(padded_columns(g), g.shape.w)) *
         static_cast<double>(g.shape.c);
}

// An image with its padding, as far as filters reach: in place where there is
// no padding, else a copy (or, for dx, a scratch to be copied out of).
struct PaddedImage {
  explicit PaddedImage(const PooledGradient& g) : d(g.shape) {
    h = padded_rows(g);
    w = padded_columns(g);
    in_place = d.pad_top == 0 && d.pad_left == 0 && h <= d.h && w <= d.w;
    if (in_place) h = d.h, w = d.w;
    row = w * d.c;
    // Where the padded image and the image meet.
    top = std::min(d.pad_top, h);
    left = std::min(d.pad_left, w);
    rows_inside = std::clamp<int64_t>(d.h, 0, h - top);
    columns_inside = std::clamp<int64_t>(d.w, 0, w - left);
  }
  size_t floats() const { return in_place ? 0 : static_cast<size_t>(h * row); }
  // Pads a copy of an image.
  const float* padded(const float* image, float* copy) const {
    if (in_place) return image;
    std::fill_n(copy, h * row, 0.0f);
    for (int64_t i = 0; i < rows_inside; i++)
      std::memcpy(copy + (top + i) * row + left * d.c, image + i * d.w * d.c,
                  static_cast<size_t>(columns_inside * d.c) * sizeof(float));
    return copy;
  }
  // The reverse.
  void copy_out(const float* copy, float* image) const {
    if (in_place) return;
    if (rows_inside < d.h || columns_inside < d.w)
      std::fill_n(image, d.h * d.w * d.c, 0.0f);
    for (int64_t i = 0; i < rows_inside; i++)
      std::memcpy(image + i * d.w * d.c, copy + (top + i) * row + left * d.c,
                  static_cast<size_t>(columns_inside * d.c) * sizeof(float));
  }

  const ConvShape& d;
  bool in_place;
  int64_t h, w, row, top, left, rows_inside, columns_inside;
};

// A filter row's columns (s * c floats) cut into sums that fit the registers,
// of three filter rows at once where there are three and they are short.
struct SumCut {
  SumCut(const PooledGradientKernels& kernels, const ConvShape& d)
      : kernels(kernels),
        width(d.s * d.c),
        vectors(ceil_div(width, kernels.lanes)),
        three(d.r == 3 && vectors <= kernels.vectors_of_3),
        parts(three ? 1 : ceil_div(vectors, kernels.vectors)) {}

  int64_t rows() const { return three ? 3 : 1; }
  int64_t begin(int64_t part) const {
    return vectors * part / parts * kernels.lanes;
  }
  int64_t end(int64_t part) const {
    return std::min(width, vectors * (part + 1) / parts * kernels.lanes);
  }
  void run(const ScaledSum& sum) const {
    const int64_t index = ceil_div(sum.width, kernels.lanes);
    (three ? kernels.sum_of_3 : kernels.sum)[index](sum);
  }

  const PooledGradientKernels& kernels;
  int64_t width, vectors;
  bool three;
  int64_t parts;
};

inline int threads_for(const PooledGradient& g) {
  const double positions = static_cast<double>(g.window_h * g.window_w);
  return threads_for_flops(g.shape.flops() / positions);
}

// The gradient of the whole convolution: for what the sums do not take.
class SpreadGradient {
 public:
  explicit SpreadGradient(const PooledGradient& g)
      : dy_(static_cast<size_t>(g.shape.n * g.shape.p * g.shape.q * g.shape.k),
            1) {
    const ConvShape& d = g.shape;
    pool2d({PoolPass::max_backward,
            {d.n, d.p, d.q, d.k, g.pooled_p, g.pooled_q, g.window_h, g.window_w,
             g.pool_stride_h, g.pool_stride_w, 0, 0, d.q * d.k},
            g.dy,
            dy_.of(0),
            g.indices,
            nullptr,
            false});
  }
  const float* dy() const { return dy_.of(0); }

 private:
  Scratch dy_;
};

// Null where scaled sums can take the problem, else why not.
inline const char* refuse_winners(const PooledGradient& g) {
  constexpr int64_t most_positions = 16;
  const ConvShape& d = g.shape;
  if (d.groups != 1) return "groups";
  if (d.dilation_w != 1) return "a dilation";
  if (g.window_h * g.window_w > most_positions) return "a large window";
  // In floating point, for the products may not fit 64 bits.
  const double filters = static_cast<double>(d.k) * static_cast<double>(d.c) *
                         static_cast<double>(d.s + 16);
  return filters < INT32_MAX && padded_floats(g) < INT32_MAX
             ? nullptr
             : "offsets beyond 32 bits";
}

// Null where the filter rows (or dW's) that a sum goes over stay in L2.
inline const char* slower_winners(const PooledGradient& g) {
  constexpr int64_t most_bytes = 512 << 10;
  const ConvShape& d = g.shape;
  return 4 * d.k * d.s * d.c <= most_bytes ? nullptr
                                           : "filter rows exceed the cache";
}

}  // namespace tw::cpu
