// Adam's step, one element at a time.
#include <cmath>

#include "cpu/adam_kernels.h"

namespace tw::cpu::ref {
namespace {

void step(const AdamCoefficients& c, int64_t count, float* param,
          const float* grad, float* exp_avg, float* exp_avg_sq) {
  for (int64_t i = 0; i < count; i++) {
    const float p = param[i];
    const float g = c.decay != 0 ? grad[i] + c.decay * p : grad[i];
    const float m = c.beta1 * exp_avg[i] + c.one_minus_beta1 * g;
    const float v = c.beta2 * exp_avg_sq[i] + c.one_minus_beta2 * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    param[i] =
        p * c.shrink - c.step_size * m / (std::sqrt(v) * c.root_scale + c.eps);
  }
}

}  // namespace

const AdamKernel kAdamKernel = step;

}  // namespace tw::cpu::ref
