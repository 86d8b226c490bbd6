// Batch normalization of rows of C channels (images N, H, W, C are N * H * W
// rows), forward and backward (S. Ioffe and C. Szegedy, arXiv:1502.03167):
//   y = (x - mean) / sqrt(variance + eps) * weight + bias,
// with mean and variance over the rows in training, the running ones in
// evaluation; then relu, where asked for.
#pragma once

#include <cstdint>

namespace tw {

// `saved` is what the backward pass wants to know of the channels, (3, C):
// the mean, what its rounding to a float left over, and
// 1 / sqrt(variance + eps).
struct BatchNormForward {
  int64_t rows, C;
  const float* x;
  const float* weight;  // (C,); null: all 1
  const float* bias;    // (C,); null: all 0
  // (C,): read in evaluation; in training null, or moved to the batch's.
  float* running_mean;
  float* running_var;
  bool training;
  double momentum, eps;
  bool unbiased;  // the running variance is over rows - 1
  bool relu;
  float* y;
  float* saved;
};

// dx may be dy. The result of relu is found again from x.
struct BatchNormBackward {
  int64_t rows, C;
  const float* dy;
  const float* x;
  const float* saved;
  const float* weight;
  const float* bias;
  bool training, relu;
  float* dx;
  float* dweight;  // (C,)
  float* dbias;    // (C,)
};

}  // namespace tw
