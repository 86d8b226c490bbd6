// 2-D convolution (cross-correlation, as networks use the word), NHWC images
// and HWIO weights:
//   y[n, p, q, k] = activation(bias[k] + sum over r, s, c of
//     x[n, p*sh - pad_top + r*dh, q*sw - pad_left + s*dw, c] * w[r, s, c, k])
// with x zero outside its extent, and group g of channels c meeting group g of
// outputs k alone.
#pragma once

#include <cstdint>

#include "cuda/activation.h"
#include "cuda/precision.h"
#include "cuda/stream.h"

namespace tw::cuda {

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
};

struct ConvForward {
  ConvShape shape;
  const float* x;
  const float* weight;
  const float* bias;  // null: none
  Activation activation;
  float* y;
  Precision precision = Precision::fp32;
};

struct ConvBackwardInput {
  ConvShape shape;
  const float* dy;
  const float* weight;
  float* dx;
  Precision precision = Precision::fp32;
};

struct ConvBackwardWeight {
  ConvShape shape;
  const float* x;
  const float* dy;
  float* dweight;
  Precision precision = Precision::fp32;
};

// Convolution, bias, activation (none or relu) and a max-pool without padding
// in one kernel. shape.p and shape.q are the convolution's own output extent.
struct ConvMaxPool {
  ConvForward conv;  // conv.y is not used
  int64_t window_h, window_w, pool_stride_h, pool_stride_w;
  int64_t pooled_p, pooled_q;
  float* y;          // (n, pooled_p, pooled_q, k)
  uint8_t* indices;  // the tap that won, 255 where relu let none through
};

// The gradients of the weight and the bias from those of the maxima, which are
// read through the codes: what lies between, as large as the convolution's
// output, never reaches memory.
struct ConvMaxPoolBackwardWeight {
  ConvShape shape;
  int64_t window_h, window_w, pool_stride_h, pool_stride_w;
  int64_t pooled_p, pooled_q;
  const float* x;
  const float* dy;         // (n, pooled_p, pooled_q, k)
  const uint8_t* indices;  // the taps; a code that is none passes nothing
  float* dweight;
  float* dbias;
  Precision precision = Precision::fp32;
};

// Whether it takes the problem: few channels, windows that do not overlap.
bool conv2d_max_pool2d_backward_weight_fits(
    const ConvMaxPoolBackwardWeight& problem);
int64_t conv2d_max_pool2d_backward_weight_workspace(
    const ConvMaxPoolBackwardWeight& problem);
void conv2d_max_pool2d_backward_weight(const ConvMaxPoolBackwardWeight& problem,
                                       float* workspace, Stream stream);

// Whether the one kernel takes the problem: windows that do not overlap and
// have at most 64 taps, a product that is not cut along its depth, not
// depthwise.
bool conv2d_max_pool2d_fits(const ConvMaxPool& problem);
void conv2d_max_pool2d(const ConvMaxPool& problem, Stream stream);

// The floats that `workspace` must hold, often none.
int64_t conv2d_workspace(const ConvForward& problem);
int64_t conv2d_backward_input_workspace(const ConvBackwardInput& problem);
int64_t conv2d_backward_weight_workspace(const ConvBackwardWeight& problem);

// Throw std::invalid_argument where pixels or weights are 2^31 or more.
void conv2d(const ConvForward& problem, float* workspace, Stream stream);
void conv2d_backward_input(const ConvBackwardInput& problem, float* workspace,
                           Stream stream);
void conv2d_backward_weight(const ConvBackwardWeight& problem, float* workspace,
                            Stream stream);

}  // namespace tw::cuda
