// The step of RMSprop and Adagrad over vectors, with the exact root and
// quotient: the divider works while memory is waited for.
#include "cpu/rmsprop_kernels.h"
#include "cpu/simd.hpp"

namespace tw::cpu::TW_ISA {
namespace {

// The vector that begins at element i.
template <bool kCentered, bool kMomentum, class Load, class Store>
TW_INLINE void step_at(const RmspropCoefficients& c, const RmspropArrays& t,
                       int64_t i, Load get, Store put) {
  const Vec decay = broadcast(c.decay);
  const Vec p = get(t.param + i);
  Vec g = get(t.grad + i);
  if (c.weight_decay != 0) g = fma(broadcast(c.weight_decay), p, g);
  const Vec square = fma(decay, get(t.square_avg + i), c.weight * g * g);
  put(t.square_avg + i, square);
  Vec variance = square;
  if constexpr (kCentered) {
    const Vec mean = fma(decay, get(t.grad_avg + i), c.weight * g);
    put(t.grad_avg + i, mean);
    variance = relu(fma(-mean, mean, square));
  }
  const Vec eps = broadcast(c.eps);
  Vec direction =
      g / (c.eps_in_root ? sqrt(variance + eps) : sqrt(variance) + eps);
  if constexpr (kMomentum) {
    float* buffer = t.momentum_buffer + i;
    direction = fma(broadcast(c.momentum), get(buffer), direction);
    put(buffer, direction);
  }
  put(t.param + i, fma(broadcast(-c.lr), direction, p));
}

// By value: no store can change a copy.
template <bool kCentered, bool kMomentum>
void step_of(const RmspropCoefficients c, const RmspropArrays t) {
  int64_t i = 0;
  for (; i + kLanes <= t.size; i += kLanes)
    step_at<kCentered, kMomentum>(
        c, t, i, [](const float* x) { return load(x); },
        [](float* x, Vec v) { store(x, v); });
  const int64_t rest = t.size - i;
  if (rest > 0)
    step_at<kCentered, kMomentum>(
        c, t, i, [=](const float* x) { return load_first(x, rest); },
        [=](float* x, Vec v) { store_first(x, v, rest); });
}

void step(const RmspropCoefficients& c, const RmspropArrays& t) {
  if (t.grad_avg && t.momentum_buffer)
    step_of<true, true>(c, t);
  else if (t.grad_avg)
    step_of<true, false>(c, t);
  else if (t.momentum_buffer)
    step_of<false, true>(c, t);
  else
    step_of<false, false>(c, t);
}

}  // namespace

const RmspropKernel kRmspropKernel = step;

}  // namespace tw::cpu::TW_ISA
