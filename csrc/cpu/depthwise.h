// Depthwise convolution (one filter a channel): no sum over channels, so no
// GEMM; a vector of channels meets a vector of weights, bound by loads.
#pragma once

#include <cstdint>

#include "cpu/activation.h"

namespace tw::cpu {

constexpr int64_t kMaxRowTaps = 64;

template <class Problem>
const char* refuse_not_depthwise(const Problem& problem) {
  return problem.shape.depthwise()
             ? nullptr
             : "not one input and one output channel a group";
}

// sums[t][c] += sum over i of x[t][i * x_step + c] * dy[i * dy_step + c]
constexpr int kMostDots = 9;
struct DepthwiseDots {
  int taps;  // 1..kMostDots
  const float* x[kMostDots];
  float* sums[kMostDots];
  const float* dy;
  int64_t length, x_step, dy_step, channels;
};

struct DepthwiseKernels {
  // out[c] = activation(bias[c] + sum over taps of source[t][c] * weight[t][c])
  void (*pixel)(int64_t taps, const float* const* source,
                const float* const* weight, int64_t channels, const float* bias,
                Activation activation, float* out);
  // The same, of up to kMaxRowTaps, for `count` pixels in a row, sources `step`
  // apart, where all taps of all of them are inside: a vector of weights serves
  // several pixels.
  void (*row)(int64_t taps, const float* const* source,
              const float* const* weight, int64_t channels, int64_t count,
              int64_t step, const float* next, const float* bias,
              Activation activation, float* out, int64_t out_step);
  void (*dots)(const DepthwiseDots& dots);
};

#if defined(__x86_64__)
namespace avx512 {
extern const DepthwiseKernels kDepthwiseKernels;
}
namespace avx2 {
extern const DepthwiseKernels kDepthwiseKernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const DepthwiseKernels kDepthwiseKernels;
}
#endif

}  // namespace tw::cpu
