// A convolution's sizes as its kernels take them, and its pixels and taps.
#pragma once

#include <stdexcept>

#include "cuda/conv2d/conv2d.h"
#include "cuda/device/divider.hpp"

namespace tw::cuda {

// What 32 bits must count: pixels (and a tile beyond), weights of a filter,
// bytes of a pixel.
inline void expect_countable(const ConvShape& d) {
  constexpr int64_t kMost = (int64_t{1} << 31) - 128;
  if (d.n * d.h * d.w >= kMost || d.n * d.p * d.q >= kMost ||
      d.r * d.s * d.group_c() >= kMost || d.r * d.s * d.group_k() >= kMost ||
      d.c >= kMost / 4 || d.k >= kMost / 4)
    throw std::invalid_argument(
        "conv2d: pixels, weights of a filter and bytes of a pixel must be "
        "fewer than 2**31 - 128");
}

struct ConvGeometry {
  int n, h, w, c, r, s, k, p, q;
  int stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
  int group_c, group_k;
  Divider by_group_c, by_group_k, by_s, by_q, by_output, by_w, by_input;
  Divider by_stride_h, by_stride_w;

  ConvGeometry() = default;
  explicit ConvGeometry(const ConvShape& d)
      : n(static_cast<int>(d.n)),
        h(static_cast<int>(d.h)),
        w(static_cast<int>(d.w)),
        c(static_cast<int>(d.c)),
        r(static_cast<int>(d.r)),
        s(static_cast<int>(d.s)),
        k(static_cast<int>(d.k)),
        p(static_cast<int>(d.p)),
        q(static_cast<int>(d.q)),
        stride_h(static_cast<int>(d.stride_h)),
        stride_w(static_cast<int>(d.stride_w)),
        pad_top(static_cast<int>(d.pad_top)),
        pad_left(static_cast<int>(d.pad_left)),
        dilation_h(static_cast<int>(d.dilation_h)),
        dilation_w(static_cast<int>(d.dilation_w)),
        group_c(static_cast<int>(d.group_c())),
        group_k(static_cast<int>(d.group_k())),
        by_group_c(d.group_c()),
        by_group_k(d.group_k()),
        by_s(d.s),
        by_q(d.q),
        by_output(d.p * d.q),
        by_w(d.w),
        by_input(d.h * d.w),
        by_stride_h(d.stride_h),
        by_stride_w(d.stride_w) {
    expect_countable(d);
  }

  __device__ __forceinline__ int outputs() const { return n * p * q; }
  __device__ __forceinline__ int inputs() const { return n * h * w; }
  __device__ __forceinline__ int taps() const { return r * s; }
  __device__ __forceinline__ bool inside(int row, int column) const {
    return static_cast<unsigned>(row) < static_cast<unsigned>(h) &&
           static_cast<unsigned>(column) < static_cast<unsigned>(w);
  }
  // The number of an input pixel, of any that is outside some number.
  __device__ __forceinline__ int input_pixel(int image, int row,
                                             int column) const {
    const auto rows = static_cast<unsigned>(image) * static_cast<unsigned>(h) +
                      static_cast<unsigned>(row);
    return static_cast<int>(rows * static_cast<unsigned>(w) +
                            static_cast<unsigned>(column));
  }
  // Image, row and column of the `pixel`-th output (or input).
  __device__ __forceinline__ void output(int pixel, int& image, int& row,
                                         int& column) const {
    int rest;
    image = by_output.split(pixel, rest);
    row = by_q.split(rest, column);
  }
  __device__ __forceinline__ void input(int pixel, int& image, int& row,
                                        int& column) const {
    int rest;
    image = by_input.split(pixel, rest);
    row = by_w.split(rest, column);
  }
  // The output row (column) that reads input `at` at tap `tap`, or -1.
  __device__ __forceinline__ int output_row(int at, int tap) const {
    return output_of(at + pad_top - tap * dilation_h, by_stride_h, p);
  }
  __device__ __forceinline__ int output_column(int at, int tap) const {
    return output_of(at + pad_left - tap * dilation_w, by_stride_w, q);
  }

 private:
  static __device__ __forceinline__ int output_of(int shifted,
                                                  const Divider& by_stride,
                                                  int outputs) {
    if (shifted < 0) return -1;
    int rest;
    const int out = by_stride.split(shifted, rest);
    return rest == 0 && out < outputs ? out : -1;
  }
};

}  // namespace tw::cuda
