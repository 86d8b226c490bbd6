// 2-D convolution (cross-correlation, as networks use the word), NHWC images
// and HWIO weights:
//   y[n, p, q, k] = activation(bias[k] + sum over r, s, c of
//     x[n, p*sh - pad_top + r*dh, q*sw - pad_left + s*dw, c] * w[r, s, c, k])
// with x zero outside its extent, and group g of channels c meeting group g of
// outputs k alone.
#pragma once

#include <cstdint>

#include "cuda/activation.h"
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
};

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
