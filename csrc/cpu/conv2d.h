// 2-D convolution (cross-correlation, as networks use the word), NHWC images
// and HWIO weights:
//   y[n, p, q, k] = activation(bias[k] + sum over r, s, c of
//     x[n, p*sh - pad_top + r*dh, q*sw - pad_left + s*dw, c] * w[r, s, c, k])
// with x zero outside its extent, and group g of channels c meeting group g of
// outputs k alone.
#pragma once

#include <cstdint>

#include "cpu/activation.h"

namespace tw::cpu {

struct ConvShape {
  int64_t n, h, w, c;  // input
  int64_t r, s, k;     // filter, output channels
  int64_t p, q;        // output
  int64_t stride_h, stride_w;
  int64_t pad_top, pad_left;
  int64_t dilation_h, dilation_w;
  int64_t groups;

  int64_t group_c() const { return c / groups; }
  int64_t group_k() const { return k / groups; }
  bool depthwise() const {
    return groups > 1 && group_c() == 1 && group_k() == 1;
  }
  double flops() const { return 2.0 * n * p * q * k * r * s * group_c(); }
};

struct ConvForward {
  ConvShape shape;
  const float* x;
  const float* weight;
  const float* bias;  // null: none
  Activation activation;
  float* y;
};

struct ConvBackwardInput {
  ConvShape shape;
  const float* dy;
  const float* weight;
  float* dx;
};

struct ConvBackwardWeight {
  ConvShape shape;
  const float* x;
  const float* dy;
  float* dweight;
  float* dbias;  // (k,)
};

// Convolution, bias, activation (none or relu) and a max-pool without padding
// in one pass: the convolution's output exists one cache-sized band at a time.
// shape.p and shape.q are the convolution's own output extent.
struct ConvMaxPool {
  ConvForward conv;  // conv.y is not used
  int64_t window_h, window_w, pool_stride_h, pool_stride_w;
  int64_t pooled_p, pooled_q;
  float* y;          // (n, pooled_p, pooled_q, k)
  uint8_t* indices;  // the tap that won, 255 where relu let none through
};

// The gradients of ConvMaxPool. At the most one pixel of each window passes a
// gradient on: the indices say which.
struct PooledGradient {
  ConvShape shape;  // of the convolution
  int64_t window_h, window_w, pool_stride_h, pool_stride_w;
  int64_t pooled_p, pooled_q;
  const float* dy;         // (n, pooled_p, pooled_q, k)
  const uint8_t* indices;  // taps of the window, or 255
};

struct ConvMaxPoolBackwardInput {
  PooledGradient gradient;
  const float* weight;
  float* dx;
};

struct ConvMaxPoolBackwardWeight {
  PooledGradient gradient;
  const float* x;
  float* dweight;
  float* dbias;  // (k,)
};

void conv2d(const ConvForward& problem);
void conv2d_backward_input(const ConvBackwardInput& problem);
void conv2d_backward_weight(const ConvBackwardWeight& problem);
void conv2d_max_pool2d(const ConvMaxPool& problem);
void conv2d_max_pool2d_backward_input(const ConvMaxPoolBackwardInput& problem);
void conv2d_max_pool2d_backward_weight(
    const ConvMaxPoolBackwardWeight& problem);

namespace ref {
void conv2d(const ConvForward& problem);
void conv2d_backward_input(const ConvBackwardInput& problem);
void conv2d_backward_weight(const ConvBackwardWeight& problem);
}  // namespace ref

}  // namespace tw::cpu
