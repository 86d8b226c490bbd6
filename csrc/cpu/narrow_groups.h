// Convolutions in groups narrower than a vector, with as many outputs as
// inputs: depthwise (groups of one channel) and ResNeXt's (of four and eight).
// A GEMM's tile would stay empty; here a vector goes along the channels of
// several groups and meets one vector of weights for each place i in a group,
// with the i-th channel of each group spread over the group's lanes:
//   out[g * G + k] += source[g * G + i] * weight[i][g * G + k]
// Bound by loads where G is 1, else by the shuffles, of which each serves one
// FMA.
#pragma once

#include <cstdint>

#include "cpu/activation.h"
#include "cpu/conv2d.h"

namespace tw::cpu {

constexpr int64_t kMaxRowTaps = 64;

// For each tap t and place i in a group of G:
//   sums[t][i * channels + g * G + k] += sum over pixels p of
//     x[t][p * x_step + g * G + i] * dy[p * dy_step + g * G + k]
constexpr int kMostDots = 9;
struct GroupDots {
  int taps;  // 1..GroupKernels::most_taps
  const float* x[kMostDots];
  float* sums[kMostDots];
  const float* dy;
  int64_t length, x_step, dy_step, channels;
};

// For groups of one width G. Weights of a tap are (G, channels).
struct GroupKernels {
  // out[g * G + k] = activation(bias[g * G + k] + sum over taps t and i of
  //   source[t][g * G + i] * weight[t][i * channels + g * G + k])
  void (*pixel)(int64_t taps, const float* const* source,
                const float* const* weight, int64_t channels, const float* bias,
                Activation activation, float* out);
  // The same, of up to kMaxRowTaps, for `count` pixels in a row, sources `step`
  // apart, where all taps of all of them are inside: a vector of weights serves
  // several pixels. `streaming` (streaming.h): not with a costly activation.
  void (*row)(int64_t taps, const float* const* source,
              const float* const* weight, int64_t channels, int64_t count,
              int64_t step, const float* next, const float* bias,
              Activation activation, float* out, int64_t out_step,
              bool streaming);
  void (*dots)(const GroupDots& dots);
  int most_taps;  // of dots
};

struct NarrowGroupKernels {
  GroupKernels widths[4];  // 1, 2, 4, 8; null where wider than a vector

  // Null where groups of this width have no kernels.
  const GroupKernels* of(int64_t width) const {
    const int index = width == 1   ? 0
                      : width == 2 ? 1
                      : width == 4 ? 2
                      : width == 8 ? 3
                                   : -1;
    return index < 0 || !widths[index].pixel ? nullptr : &widths[index];
  }
};

template <const NarrowGroupKernels& kernels, class Problem>
const char* refuse_wide_groups(const Problem& problem) {
  const ConvShape& d = problem.shape;
  if (d.groups == 1) return "no groups";
  if (d.group_c() != d.group_k())
    return "groups with other outputs than inputs";
  return kernels.of(d.group_c()) ? nullptr : "groups of no width with a kernel";
}

#if defined(__x86_64__)
namespace avx512 {
extern const NarrowGroupKernels kNarrowGroups;
}
namespace avx2 {
extern const NarrowGroupKernels kNarrowGroups;
}
#elif defined(__aarch64__)
namespace neon {
extern const NarrowGroupKernels kNarrowGroups;
}
#endif

}  // namespace tw::cpu
