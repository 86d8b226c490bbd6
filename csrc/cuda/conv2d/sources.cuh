// Convolution as a product of matrices that exist nowhere (implicit GEMM; S.
// Chetlur et al., arXiv:1410.0759): each is a source of the main loops
// (gemm/source.cuh), which works out where its elements lie. For one group of
// channels:
//   forward          y (pixels, K)    = ConvPixels (pixels, taps C) * weight
//   backward input   dx (pixels, C)   = ConvGradients (pixels, taps K) *
//                                       ConvWeights (taps K, C)
//   backward weight  dw (taps C, K)   = ConvTaps (taps C, pixels) * dy
// A row that lies outside is one whose pixels lie outside of every image.
#pragma once

#include "cuda/conv2d/geometry.cuh"
#include "cuda/conv2d/gradient_geometry.cuh"
#include "cuda/device/ptx.hpp"
#include "cuda/gemm/matrix.cuh"

namespace tw::cuda {

// How a depth of taps by channels is read: number by number; in quads, which
// are aligned and lie within one tap; or in quads where whole slices lie within
// one tap, which is then found once a slice.
enum class Access { scalars, quads, slices };

inline Access access_of(bool aligned, int64_t channels) {
  if (!aligned) return Access::scalars;
  return channels % kSliceDepth ? Access::quads : Access::slices;
}

template <Access kAccess>
constexpr bool kInQuads = kAccess != Access::scalars;

// Where a depth lies: the tap, and the channel as a sum of two, of which the
// second is the same in every slice where slices lie within a tap.
struct DepthPlace {
  int tap, channel, within;
};
template <Access kAccess>
__device__ __forceinline__ DepthPlace depth_place(const Divider& by_channels,
                                                  int slice, int within) {
  constexpr bool kWhole = kAccess == Access::slices;
  DepthPlace at{0, 0, kWhole ? within : 0};
  at.tap = by_channels.split(kWhole ? slice : slice + within, at.channel);
  at.channel = kept(at.channel);
  return at;
}

// Four numbers along the depth.
template <bool kVectors, class Source>
__device__ __forceinline__ float4 load_along_depth(const Source& source,
                                                   int slice, int within) {
  if constexpr (kVectors)
    return source.at(slice, within).four();
  else
    return make_float4(
        source.at(slice, within).one(), source.at(slice, within + 1).one(),
        source.at(slice, within + 2).one(), source.at(slice, within + 3).one());
}

// The address of a pixel's channel.
__device__ __forceinline__ const float* pixel_address(const float* first,
                                                      int pixel, int channels,
                                                      int channel,
                                                      int within = 0) {
  const int pitch = channels * static_cast<int>(sizeof(float));
  return further(first + channel, pixel, pitch) + within;
}

constexpr int kNowhere = INT32_MIN / 2;  // no row that a tap reaches is inside

// The rows of a product are the output's pixels in their order.
struct EachPixel {
  __device__ __forceinline__ bool find(const ConvGeometry& d, int span,
                                       int& image, int& p, int& q) const {
    const bool inside = span < d.outputs();
    d.output(inside ? span : 0, image, p, q);
    return inside;
  }
};

// Row: an output pixel, which Rows finds. Depth: taps by channels.
template <Access kAccess, class Rows = EachPixel>
struct ConvPixels {
  static constexpr bool kKeepDepth = false;
  const float* x;  // of the group's first channel
  ConvGeometry d;
  Rows rows;

  __device__ __forceinline__ void start(int span) {
    int image, p, q;
    const bool inside = rows.find(d, span, image, p, q);
    const int row = p * d.stride_h - d.pad_top;
    row_ = inside ? row : kNowhere;
    column_ = q * d.stride_w - d.pad_left;
    first_ = d.input_pixel(image, row, column_);
  }
  __device__ __forceinline__ Place at(int slice, int within) const {
    int s;
    const DepthPlace depth = depth_place<kAccess>(d.by_group_c, slice, within);
    const int r = d.by_s.split(depth.tap, s);
    const int down = r * d.dilation_h, right = s * d.dilation_w;
    // "&", which branches nowhere.
    const int of_these = kAccess == Access::slices || depth.tap < d.taps();
    const bool there = of_these & d.inside(row_ + down, column_ + right);
    const int pixel = first_ + down * d.w + right;
    return {pixel_address(x, pixel, d.c, depth.channel, depth.within), there};
  }
  __device__ __forceinline__ float4 load(int slice, int within) const {
    return load_along_depth<kInQuads<kAccess>>(*this, slice, within);
  }

  int row_, column_, first_;  // where the first tap reads
};

// Row: an input pixel of a phase. Depth: its taps by output channels.
template <Access kAccess>
struct ConvGradients {
  static constexpr bool kKeepDepth = false;
  const float* dy;  // of the group's first channel
  GradientGeometry d;
  GradientPhase phase;

  __device__ __forceinline__ void start(int span) {
    int image, i, j;
    const bool inside = d.find(span, phase, image, i, j);
    const int row = phase.rows.first_output + i;
    row_ = inside ? row : kNowhere;
    column_ = phase.columns.first_output + j;
    first_ = inside ? (image * d.p + row) * d.q + column_ : 0;
  }
  __device__ __forceinline__ Place at(int slice, int within) const {
    int s;
    const DepthPlace depth = depth_place<kAccess>(d.by_group_k, slice, within);
    const int r = phase.columns.by_taps.split(depth.tap, s);
    const int up = r * d.rows.output_step, left = s * d.columns.output_step;
    const bool there =
        (kAccess == Access::slices || r < phase.rows.taps) &&
        static_cast<unsigned>(row_ - up) < static_cast<unsigned>(d.p) &&
        static_cast<unsigned>(column_ - left) < static_cast<unsigned>(d.q);
    const int pixel = first_ - up * d.q - left;
    return {pixel_address(dy, pixel, d.k, depth.channel, depth.within), there};
  }
  __device__ __forceinline__ float4 load(int slice, int within) const {
    return load_along_depth<kInQuads<kAccess>>(*this, slice, within);
  }

  int row_, column_, first_;  // the output that the phase's first tap meets
};

// Column: an input channel of the group. Depth: a phase's taps by output
// channels.
template <Access kAccess>
struct ConvWeights {
  static constexpr bool kKeepDepth = false;
  const float* weight;  // of the group's first output channel
  GradientGeometry d;
  GradientPhase phase;

  __device__ __forceinline__ void start(int span) {
    inside_ = span < d.group_c;
    channel_ = inside_ ? span : 0;
  }
  __device__ __forceinline__ Place at(int slice, int within) const {
    int s;
    const DepthPlace depth = depth_place<kAccess>(d.by_group_k, slice, within);
    const int r = phase.columns.by_taps.split(depth.tap, s);
    const bool there =
        inside_ && (kAccess == Access::slices || r < phase.rows.taps);
    const int row = phase.rows.first_tap + r * d.rows.tap_step;
    const int column = phase.columns.first_tap + s * d.columns.tap_step;
    const int at = (row * d.s + column) * d.group_c + channel_;
    return {pixel_address(weight, at, d.k, depth.channel, depth.within), there};
  }
  __device__ __forceinline__ float4 load(int slice, int within) const {
    return load_along_depth<kInQuads<kAccess>>(*this, slice, within);
  }

  bool inside_;
  int channel_;
};

// Row: a tap and channel, or kQuads times four of them, kStep apart. Depth:
// output pixels.
template <bool kVectors, int kQuads = 1, int kStep = 1>
struct ConvTaps {
  const float* x;  // of the group's first channel
  ConvGeometry d;

  __device__ __forceinline__ void start(int span) {
#pragma unroll
    for (int i = 0; i < kTaps; i++) {
      const int row = span + i / kOfAQuad * kStep + i % kOfAQuad;
      const bool inside = row < d.taps() * d.group_c;
      int s;
      const int tap = d.by_group_c.split(inside ? row : 0, channel_[i]);
      const int r = d.by_s.split(tap, s);
      row_[i] = inside ? r * d.dilation_h - d.pad_top : kNowhere;
      column_[i] = s * d.dilation_w - d.pad_left;
    }
  }
  __device__ __forceinline__ Place at(int slice, int within) const {
    return place(slice + within, 0);
  }
  __device__ __forceinline__ float4 load(int slice, int within,
                                         int further) const {
    const int depth = slice + within, i = further / kStep * kOfAQuad;
    if constexpr (kVectors)
      return place(depth, i).four();
    else
      return make_float4(place(depth, i).one(), place(depth, i + 1).one(),
                         place(depth, i + 2).one(), place(depth, i + 3).one());
  }

  static constexpr int kOfAQuad = kVectors ? 1 : 4;
  static constexpr int kTaps = kOfAQuad * kQuads;
  int row_[kTaps], column_[kTaps], channel_[kTaps];

 private:
  __device__ __forceinline__ Place place(int depth, int i) const {
    int image, p, q;
    d.output(depth, image, p, q);
    const int first = depth < d.outputs() ? p * d.stride_h : kNowhere;
    const int row = first + row_[i];
    const int column = q * d.stride_w + column_[i];
    const int pixel = d.input_pixel(image, row, column);
    return {pixel_address(x, pixel, d.c, channel_[i]), d.inside(row, column)};
  }
};

}  // namespace tw::cuda
