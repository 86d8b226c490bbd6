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
  // out[c] (+)= sum over runs and i of x[run][i * x_step + c] *
  // dy[run][i * dy_step + c]
  void (*dot)(int64_t runs, const float* const* x, const float* const* dy,
              int64_t length, int64_t x_step, int64_t dy_step, int64_t channels,
              bool accumulate, float* out);
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
