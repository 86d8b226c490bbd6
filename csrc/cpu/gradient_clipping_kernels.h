// What the gradient_clipping driver asks of an instruction set: a piece of one
// array, single-threaded.
#pragma once

#include <cstdint>

namespace tw::cpu {

struct ClippingKernels {
  double (*sum_of_squares)(const float* grad, int64_t count);
  void (*scale)(float* grad, int64_t count, float factor);
  void (*limit)(float* grad, int64_t count, float most);
};

namespace ref {
extern const ClippingKernels kClippingKernels;
}
#if defined(__x86_64__)
namespace avx512 {
extern const ClippingKernels kClippingKernels;
}
namespace avx2 {
extern const ClippingKernels kClippingKernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const ClippingKernels kClippingKernels;
}
#endif

}  // namespace tw::cpu
