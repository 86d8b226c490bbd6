// What the adam driver asks of an instruction set.
#pragma once

#include <cstdint>

namespace tw::cpu {

// All that is the same for every element, computed in double and rounded once.
struct AdamCoefficients {
  float beta1, one_minus_beta1;
  float beta2, one_minus_beta2;
  float step_size;   // lr / (1 - beta1^t)
  float root_scale;  // 1 / sqrt(1 - beta2^t)
  float eps;
  float decay;   // added to the gradient times p; 0: none
  float shrink;  // multiplies p before the step; 1: none
};

using AdamKernel = void (*)(const AdamCoefficients&, int64_t count,
                            float* param, const float* grad, float* exp_avg,
                            float* exp_avg_sq);

namespace ref {
extern const AdamKernel kAdamKernel;
}
#if defined(__x86_64__)
namespace avx512 {
extern const AdamKernel kAdamKernel;
}
namespace avx2 {
extern const AdamKernel kAdamKernel;
}
#elif defined(__aarch64__)
namespace neon {
extern const AdamKernel kAdamKernel;
}
#endif

}  // namespace tw::cpu
