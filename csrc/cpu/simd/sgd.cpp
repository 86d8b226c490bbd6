// The step of gradient descent over vectors.
#include "cpu/sgd_kernels.h"
#include "cpu/simd.hpp"

namespace tw::cpu::TW_ISA {
namespace {

TW_INLINE Vec decayed(const SgdCoefficients& c, Vec p, Vec g) {
  return c.weight_decay != 0 ? fma(broadcast(c.weight_decay), p, g) : g;
}

void plain_step(const SgdCoefficients c, int64_t count, float* param,
                const float* grad) {
  const auto updated = [&](Vec p, Vec g) {
    return fma(broadcast(-c.lr), decayed(c, p, g), p);
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    store(param + i, updated(load(param + i), load(grad + i)));
  const int64_t rest = count - i;
  if (rest > 0)
    store_first(
        param + i,
        updated(load_first(param + i, rest), load_first(grad + i, rest)), rest);
}

void momentum_step(const SgdCoefficients c, int64_t count, float* param,
                   const float* grad, float* buffer) {
  const Vec momentum = broadcast(c.momentum);
  const auto update = [&](Vec& p, Vec g, Vec& buf) {
    g = decayed(c, p, g);
    buf = fma(momentum, buf, g);
    p = fma(broadcast(-c.lr), c.nesterov ? fma(momentum, buf, g) : buf, p);
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Vec p = load(param + i), buf = load(buffer + i);
    update(p, load(grad + i), buf);
    store(param + i, p);
    store(buffer + i, buf);
  }
  const int64_t rest = count - i;
  if (rest == 0) return;
  Vec p = load_first(param + i, rest), buf = load_first(buffer + i, rest);
  update(p, load_first(grad + i, rest), buf);
  store_first(param + i, p, rest);
  store_first(buffer + i, buf, rest);
}

void step(const SgdCoefficients& c, int64_t count, float* param,
          const float* grad, float* momentum_buffer) {
  if (momentum_buffer)
    momentum_step(c, count, param, grad, momentum_buffer);
  else
    plain_step(c, count, param, grad);
}

}  // namespace

const SgdKernel kSgdKernel = step;

}  // namespace tw::cpu::TW_ISA
