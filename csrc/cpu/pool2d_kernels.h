// What the pool2d driver asks of an instruction set: one row at a time of one
// image (H x W x C, channels contiguous), single-threaded. See pool2d.h for
// the rules of the maximum and of the indices.
#pragma once

#include <cstdint>

#include "cpu/pool2d.h"

namespace tw::cpu {

struct PoolKernels {
  // Output row p: reads the image, writes Q * C of y and of the indices.
  void (*max_u8)(const PoolShape&, const float* image, int64_t p, bool relu,
                 float* y, uint8_t* indices);
  void (*max_i32)(const PoolShape&, const float* image, int64_t p, bool relu,
                  float* y, int32_t* indices);
  void (*avg)(const PoolShape&, const float* image, int64_t p,
              bool count_include_pad, float* y);
  // Of a whole image's dy (P x Q x C), the part of dx that `row` stands for:
  // where windows overlap, the input row of that number, gathered; else every
  // input row up to the next window that output row `row` owns, written once.
  void (*max_backward_u8)(const PoolShape&, const float* dy,
                          const uint8_t* indices, int64_t row, float* dx);
  void (*max_backward_i32)(const PoolShape&, const float* dy,
                           const int32_t* indices, int64_t row, float* dx);
  void (*avg_backward)(const PoolShape&, const float* dy, int64_t row,
                       bool count_include_pad, float* dx);
};

namespace ref {
extern const PoolKernels kPoolKernels;
}
#if defined(__x86_64__)
namespace avx512 {
extern const PoolKernels kPoolKernels;
}
namespace avx2 {
extern const PoolKernels kPoolKernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const PoolKernels kPoolKernels;
}
#endif

// Positions [begin, end) along one axis.
struct Span {
  int64_t begin, end;
};

static inline int64_t pool_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t pool_max(int64_t a, int64_t b) { return a > b ? a : b; }

// The taps of window `out` that are not in the padding.
static inline Span pool_taps(int64_t out, int64_t stride, int64_t pad,
                             int64_t window, int64_t size) {
  const int64_t start = out * stride - pad;
  return {pool_max(0, -start), pool_min(window, size - start)};
}
// The windows that cover input position `in`; begin >= end: none.
static inline Span pool_windows(int64_t in, int64_t stride, int64_t pad,
                                int64_t window, int64_t count) {
  const int64_t first = in + pad - window + 1;
  return {first <= 0 ? 0 : (first + stride - 1) / stride,
          pool_min(count, (in + pad) / stride + 1)};
}
// The input positions that window `out` owns where none overlap: its own and
// what lies between it and the next (or the border).
static inline Span pool_owned(int64_t out, int64_t stride, int64_t pad,
                              int64_t count, int64_t size) {
  return {out == 0 ? 0 : pool_min(size, out * stride - pad),
          out == count - 1 ? size : pool_min(size, (out + 1) * stride - pad)};
}

}  // namespace tw::cpu
