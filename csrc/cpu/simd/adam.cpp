// Adam's step over vectors, with the exact root and quotient: the divider works
// while memory is waited for.
#include "cpu/adam_kernels.h"
#include "cpu/simd.hpp"

namespace tw::cpu::TW_ISA {
namespace {

struct Element {
  Vec p, m, v;
};

TW_INLINE Element updated(const AdamCoefficients& c, Vec p, Vec g, Vec m,
                          Vec v) {
  if (c.decay != 0) g = fma(broadcast(c.decay), p, g);
  m = fma(broadcast(c.beta1), m, c.one_minus_beta1 * g);
  v = fma(broadcast(c.beta2), v, c.one_minus_beta2 * g * g);
  const Vec root = fma(sqrt(v), broadcast(c.root_scale), broadcast(c.eps));
  return {fma(p, broadcast(c.shrink), -(c.step_size * m / root)), m, v};
}

void step(const AdamCoefficients& coefficients, int64_t count, float* param,
          const float* grad, float* exp_avg, float* exp_avg_sq) {
  const AdamCoefficients c = coefficients;  // no store can change a copy
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Element e = updated(c, load(param + i), load(grad + i),
                              load(exp_avg + i), load(exp_avg_sq + i));
    store(param + i, e.p);
    store(exp_avg + i, e.m);
    store(exp_avg_sq + i, e.v);
  }
  const int64_t rest = count - i;
  if (rest == 0) return;
  const Element e =
      updated(c, load_first(param + i, rest), load_first(grad + i, rest),
              load_first(exp_avg + i, rest), load_first(exp_avg_sq + i, rest));
  store_first(param + i, e.p, rest);
  store_first(exp_avg + i, e.m, rest);
  store_first(exp_avg_sq + i, e.v, rest);
}

}  // namespace

const AdamKernel kAdamKernel = step;

}  // namespace tw::cpu::TW_ISA
