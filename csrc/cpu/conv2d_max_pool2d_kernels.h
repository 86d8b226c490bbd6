// What the backward passes of a convolution under a max-pool ask of an
// instruction set. Only the pixel that won its window has a gradient, another
// one for each channel, so that the passes are sums of scaled rows of memory
// (of the filters for dx, of the image for dW) instead of matrix products: a
// quarter of the work under a 2 x 2 window, or less where ReLU let none
// through.
#pragma once

#include <cstdint>

namespace tw::cpu {

// out[r * out_row + j] += sum over i < count of
//   g[i] * from[offset[i] + r * from_row + j]    for j < width
struct ScaledSum {
  int64_t count;
  const float* g;
  const int32_t* offset;
  const float* from;
  int64_t from_row;
  float* out;
  int64_t out_row, width;
};

// sums[t * k + j] += sum over pixels of dy[pixel * k + j] *
//   quads[pixel_offset[pixel] + tap_offset[t] + indices[pixel * k + j]]
// over all j < k and t < taps, and sums[taps * k + j] += the dy of the same;
// 255 stands for no product.
struct QuadSum {
  int64_t pixels, k, taps;
  const float* dy;
  const uint8_t* indices;
  const float* quads;
  const int32_t* pixel_offset;
  const int32_t* tap_offset;
  float* sums;
};

constexpr int kMaxSumVectors = 16;

struct PooledGradientKernels {
  int lanes;
  int vectors, vectors_of_3;  // the widest sums of 1 row and of 3
  void (*sum[kMaxSumVectors + 1])(const ScaledSum&);       // by vectors
  void (*sum_of_3[kMaxSumVectors + 1])(const ScaledSum&);  // 3 rows at once
  void (*quad_sums)(const QuadSum&);
  // For `count` floats in a row, each with the three that stand `right`,
  // `below` and both from it: quads[4 * i ..].
  void (*fill_quads)(const float* row, int64_t count, int64_t right,
                     int64_t below, float* quads);
  // dbias[j] += sum over pixels of dy[pixel * k + j] where the index is not
  // 255.
  void (*add_bias)(const float* dy, const uint8_t* indices, int64_t pixels,
                   int64_t k, float* dbias);
  // Sorts the k channels of a pooled pixel by the position that won: those of
  // position i are numbers[i * row + 0 ..], their gradients g[i * row + 0 ..],
  // counts[i] of them. The rows are written to a vector beyond their ends.
  void (*sort)(const float* dy, const uint8_t* indices, int64_t k,
               int64_t positions, int64_t row, float* g, int32_t* numbers,
               int32_t* counts);
};

#if defined(__x86_64__)
namespace avx512 {
extern const PooledGradientKernels kPooledGradient;
}
namespace avx2 {
extern const PooledGradientKernels kPooledGradient;
}
#elif defined(__aarch64__)
namespace neon {
extern const PooledGradientKernels kPooledGradient;
}
#endif

}  // namespace tw::cpu
