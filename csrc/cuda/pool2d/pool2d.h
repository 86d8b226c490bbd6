// Max and average pooling of images (N, H, W, C), forward and backward.
//
// The maximum's index is the tap r * S + s inside the window (padding counted),
// one byte up to 254 taps, else int32. The first maximum in row-major order
// wins, the first NaN wins over numbers, padding never wins. The code
// kNoGradient marks outputs that pass no gradient.
#pragma once

#include <cstdint>

#include "cuda/stream.h"

namespace tw::cuda {

struct PoolShape {
  int64_t N, H, W, C;  // input
  int64_t P, Q;        // output
  int64_t R, S;        // window
  int64_t stride_h, stride_w;
  int64_t pad_top, pad_left;

  bool byte_indices() const { return R * S <= 254; }
};

constexpr uint8_t kNoGradientByte = 255;
constexpr int32_t kNoGradientInt = -1;

struct MaxPool {
  PoolShape shape;
  const float* x;
  float* y;
  void* indices;  // uint8_t or int32_t, as byte_indices() says
  // The input went through relu: where the maximum is at most 0, the index is
  // kNoGradient.
  bool relu;
};

struct MaxPoolBackward {
  PoolShape shape;
  const float* dy;
  const void* indices;
  float* dx;
};

struct AvgPool {
  PoolShape shape;
  const float* src;  // x, or dy in the backward pass
  float* dst;        // y, or dx
  bool count_include_pad;
};

// Every window must hold a tap outside the padding.
void max_pool2d(const MaxPool& problem, Stream stream);
void max_pool2d_backward(const MaxPoolBackward& problem, Stream stream);
void avg_pool2d(const AvgPool& problem, Stream stream);
void avg_pool2d_backward(const AvgPool& problem, Stream stream);

}  // namespace tw::cuda
