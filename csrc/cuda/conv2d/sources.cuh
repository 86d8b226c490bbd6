// Convolution as a product of matrices that exist nowhere (implicit GEMM; S.
// Chetlur et al., arXiv:1410.0759): each is a source of gemm/simt.cuh, which
// works out where its elements lie. For one group of channels:
//   forward          y (pixels, K)    = ConvPixels (pixels, taps C) * weight
//   backward input   dx (pixels, C)   = ConvGradients (pixels, taps K) *
//                                       ConvWeights (taps K, C)
//   backward weight  dw (taps C, K)   = ConvTaps (taps C, pixels) * dy
// With kVectors quads lie within one tap and are aligned.
#pragma once

#include "cuda/conv2d/geometry.cuh"
#include "cuda/device/memory.hpp"

namespace tw::cuda {

// Row: an output pixel. Depth: taps by channels.
template <bool kVectors>
struct ConvPixels {
  const float* x;  // of the group's first channel
  ConvGeometry d;

  __device__ __forceinline__ void start(int span) {
    inside_ = span < d.outputs();
    int image, p, q;
    d.output(inside_ ? span : 0, image, p, q);
    row_ = p * d.stride_h - d.pad_top;
    column_ = q * d.stride_w - d.pad_left;
    image_ = x + int64_t{image} * d.h * d.w * d.c;
  }
  __device__ __forceinline__ float4 load(int depth) const {
    float4 quad = make_float4(0, 0, 0, 0);
    if constexpr (kVectors) {
      if (const float* at = address(depth)) quad = load4(at);
    } else {
      quad = make_float4(one(depth), one(depth + 1), one(depth + 2),
                         one(depth + 3));
    }
    return quad;
  }

  bool inside_;
  int row_, column_;
  const float* image_;

 private:
  __device__ __forceinline__ const float* address(int depth) const {
    if (!inside_ || depth >= d.taps() * d.group_c) return nullptr;
    int channel, s;
    const int r = d.by_s.split(d.by_group_c.split(depth, channel), s);
    const int row = row_ + r * d.dilation_h;
    const int column = column_ + s * d.dilation_w;
    if (!d.inside(row, column)) return nullptr;
    return image_ + (int64_t{row} * d.w + column) * d.c + channel;
  }
  __device__ __forceinline__ float one(int depth) const {
    const float* at = address(depth);
    return at ? *at : 0;
  }
};

// Row: an input pixel. Depth: taps by output channels.
template <bool kVectors>
struct ConvGradients {
  const float* dy;  // of the group's first channel
  ConvGeometry d;

  __device__ __forceinline__ void start(int span) {
    inside_ = span < d.inputs();
    int image;
    d.input(inside_ ? span : 0, image, row_, column_);
    image_ = dy + int64_t{image} * d.p * d.q * d.k;
  }
  __device__ __forceinline__ float4 load(int depth) const {
    float4 quad = make_float4(0, 0, 0, 0);
    if constexpr (kVectors) {
      if (const float* at = address(depth)) quad = load4(at);
    } else {
      quad = make_float4(one(depth), one(depth + 1), one(depth + 2),
                         one(depth + 3));
    }
    return quad;
  }

  bool inside_;
  int row_, column_;
  const float* image_;

 private:
  __device__ __forceinline__ const float* address(int depth) const {
    if (!inside_ || depth >= d.taps() * d.group_k) return nullptr;
    int channel, s;
    const int r = d.by_s.split(d.by_group_k.split(depth, channel), s);
    const int p = d.output_row(row_, r), q = d.output_column(column_, s);
    if (p < 0 || q < 0) return nullptr;
    return image_ + (int64_t{p} * d.q + q) * d.k + channel;
  }
  __device__ __forceinline__ float one(int depth) const {
    const float* at = address(depth);
    return at ? *at : 0;
  }
};

// Column: an input channel of the group. Depth: taps by output channels.
template <bool kVectors>
struct ConvWeights {
  const float* weight;  // of the group's first output channel
  ConvGeometry d;

  __device__ __forceinline__ void start(int span) {
    inside_ = span < d.group_c;
    channel_ = inside_ ? span : 0;
  }
  __device__ __forceinline__ float4 load(int depth) const {
    float4 quad = make_float4(0, 0, 0, 0);
    if constexpr (kVectors) {
      if (const float* at = address(depth)) quad = load4(at);
    } else {
      quad = make_float4(one(depth), one(depth + 1), one(depth + 2),
                         one(depth + 3));
    }
    return quad;
  }

  bool inside_;
  int channel_;

 private:
  __device__ __forceinline__ const float* address(int depth) const {
    if (!inside_ || depth >= d.taps() * d.group_k) return nullptr;
    int k;
    const int tap = d.by_group_k.split(depth, k);
    return weight + (int64_t{tap} * d.group_c + channel_) * d.k + k;
  }
  __device__ __forceinline__ float one(int depth) const {
    const float* at = address(depth);
    return at ? *at : 0;
  }
};

// Row: a tap and channel. Depth: output pixels.
template <bool kVectors>
struct ConvTaps {
  const float* x;  // of the group's first channel
  ConvGeometry d;

  __device__ __forceinline__ void start(int span) {
#pragma unroll
    for (int i = 0; i < kTaps; i++) {
      const bool inside = span + i < d.taps() * d.group_c;
      int s;
      const int tap = d.by_group_c.split(inside ? span + i : 0, channel_[i]);
      const int r = d.by_s.split(tap, s);
      // No pixel of any image lies there.
      row_[i] = inside ? r * d.dilation_h - d.pad_top : INT32_MIN / 2;
      column_[i] = s * d.dilation_w - d.pad_left;
    }
  }
  __device__ __forceinline__ float4 load(int depth) const {
    float4 quad = make_float4(0, 0, 0, 0);
    if (depth >= d.outputs()) return quad;
    int image, p, q;
    d.output(depth, image, p, q);
    const float* at = x + int64_t{image} * d.h * d.w * d.c;
    if constexpr (kVectors) {
      if (const float* first = address(at, p, q, 0)) quad = load4(first);
    } else {
      quad = make_float4(one(at, p, q, 0), one(at, p, q, 1), one(at, p, q, 2),
                         one(at, p, q, 3));
    }
    return quad;
  }

  static constexpr int kTaps = kVectors ? 1 : 4;
  int row_[kTaps], column_[kTaps], channel_[kTaps];

 private:
  __device__ __forceinline__ const float* address(const float* image, int p,
                                                  int q, int i) const {
    const int row = p * d.stride_h + row_[i];
    const int column = q * d.stride_w + column_[i];
    if (!d.inside(row, column)) return nullptr;
    return image + (int64_t{row} * d.w + column) * d.c + channel_[i];
  }
  __device__ __forceinline__ float one(const float* image, int p, int q,
                                       int i) const {
    const float* at = address(image, p, q, i);
    return at ? *at : 0;
  }
};

}  // namespace tw::cuda
