// Pixels of very few channels as dot products: the gradient of an image (one or
// three channels) leaves most of a vector of columns empty, so vectors go along
// the contracted channels instead, which lie side by side in both operands.
#pragma once

#include <cstdint>

namespace tw::cpu {

constexpr int64_t kMostDotColumns = 4;

struct ConvDotsKernels {
  // out[c] = sum over taps t and i < depth of source[t][i] *
  // weight[t][c * depth + i], for c < columns.
  void (*pixel)(int64_t taps, const float* const* source,
                const float* const* weight, int64_t depth, int64_t columns,
                float* out);
};

#if defined(__x86_64__)
namespace avx512 {
extern const ConvDotsKernels kConvDots;
}
namespace avx2 {
extern const ConvDotsKernels kConvDots;
}
#elif defined(__aarch64__)
namespace neon {
extern const ConvDotsKernels kConvDots;
}
#endif

}  // namespace tw::cpu
