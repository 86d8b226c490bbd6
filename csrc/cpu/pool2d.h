// Max and average pooling of images (N, H, W, C), forward and backward.
//
// The maximum's index is the tap r * S + s inside the window (padding counted),
// one byte up to 254 taps, else int32. The first maximum in row-major order
// wins, the first NaN wins over numbers, padding never wins. The code
// kNoGradient marks outputs that pass no gradient.
#pragma once

#include <cstdint>

namespace tw::cpu {

struct PoolShape {
  int64_t N, H, W, C;  // input
  int64_t P, Q;        // output
  int64_t R, S;        // window
  int64_t stride_h, stride_w;
  int64_t pad_top, pad_left;
  int64_t row_stride;  // floats from one input row to the next: W * C

  bool byte_indices() const { return R * S <= 254; }
  bool overlapping() const { return stride_h < R || stride_w < S; }
};

constexpr uint8_t kNoGradientByte = 255;
constexpr int32_t kNoGradientInt = -1;

enum class PoolPass { max, max_backward, avg, avg_backward };

// Every window must hold a tap outside the padding.
struct PoolProblem {
  PoolPass pass;
  PoolShape shape;
  const float* src;         // x or dy
  float* dst;               // y or dx
  const void* src_indices;  // of max_backward: uint8_t or int32_t, as
  void* dst_indices;        // of max:          byte_indices() says
  bool count_include_pad;   // of the averages
};

void pool2d(const PoolProblem& problem);

// Whether all N * P * Q * C indices are taps of the window or kNoGradient.
bool pool_indices_valid(const PoolShape& shape, const void* indices);

// Pools a band of a convolution's output that lies in scratch: out_rows rows
// of Q pixels, no padding, on the calling thread. With relu y = max(0, .), and
// where the maximum is <= 0 the index is kNoGradientByte. R * S <= 254.
void max_pool2d_rows(const float* x, int64_t row_stride, int64_t W, int64_t C,
                     int64_t R, int64_t S, int64_t sh, int64_t sw, int64_t Q,
                     int64_t out_rows, bool relu, float* y,
                     uint8_t* indices) noexcept;

}  // namespace tw::cpu
