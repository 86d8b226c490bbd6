// The kernel of cpu/conv2d_dots.h for one instruction set: sums of even and odd
// vectors apart, to halve the chain of FMAs; neighbouring pixels overlap in the
// machine.
#include "cpu/conv2d_dots.h"

#include "cpu/simd.hpp"

#define TW_UNROLL _Pragma("GCC unroll 4")

namespace tw::cpu::TW_ISA {
namespace {

template <int columns>
TW_INLINE void pixel_columns(int64_t taps, const float* const* source,
                             const float* const* weight, int64_t depth,
                             float* out) {
  Vec even[columns] = {}, odd[columns] = {};
  for (int64_t t = 0; t < taps; t++) {
    const float* a = source[t];
    const float* b = weight[t];
    int64_t i = 0;
    for (; i + 2 * kLanes <= depth; i += 2 * kLanes) {
      const Vec first = load(a + i), second = load(a + i + kLanes);
  TW_UNROLL for (int c = 0; c < columns; c++) {
        even[c] = fma(first, load(b + c * depth + i), even[c]);
        odd[c] = fma(second, load(b + c * depth + i + kLanes), odd[c]);
      }
    }
    for (; i < depth; i += kLanes) {
      const int64_t left = depth - i, lanes = left < kLanes ? left : kLanes;
      const Vec v = load_first(a + i, lanes);
      TW_UNROLL for (int c = 0; c < columns; c++)
        even[c] = fma(v, load_first(b + c * depth + i, lanes), even[c]);
    }
  }
  TW_UNROLL for (int c = 0; c < columns; c++)
    out[c] = reduce_add(even[c] + odd[c]);
}

void pixel(int64_t taps, const float* const* source,
           const float* const* weight, int64_t depth, int64_t columns,
           float* out) {
  switch (columns) {
    case 1: return pixel_columns<1>(taps, source, weight, depth, out);
    case 2: return pixel_columns<2>(taps, source, weight, depth, out);
    case 3: return pixel_columns<3>(taps, source, weight, depth, out);
    default: return pixel_columns<4>(taps, source, weight, depth, out);
  }
}

}  // namespace

const ConvDotsKernels kConvDots = {pixel};

}  // namespace tw::cpu::TW_ISA
