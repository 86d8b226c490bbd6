// Losses of elements over vectors. Losses are added up in runs of 256 elements,
// lane by lane, and the runs in double.
#include "cpu/elementwise_loss_kernels.h"
#include "cpu/simd.hpp"
#include "cpu/simd_math.hpp"

namespace tw::cpu::TW_ISA {
namespace {

struct LossOf {
  Vec loss, slope;
};

template <class Function>
TW_INLINE double over_elements(const LossBlock& b, Function function) {
  constexpr int64_t run = 256;
  double total = 0;
  for (int64_t begin = 0; begin < b.count; begin += run) {
    const int64_t end = begin + run < b.count ? begin + run : b.count;
    Vec sum = {};
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      const LossOf e = function(load(b.x + i), load(b.target + i));
      store(b.dx + i, e.slope * b.scale);
      if (b.losses) store(b.losses + i, e.loss);
      sum += e.loss;
    }
    const int64_t rest = end - i;
    if (rest > 0) {
      const LossOf e =
          function(load_first(b.x + i, rest), load_first(b.target + i, rest));
      store_first(b.dx + i, e.slope * b.scale, rest);
      if (b.losses) store_first(b.losses + i, e.loss, rest);
      // What the other lanes hold is the loss of no element.
      float live[kLanes] = {};
      store_first(live, e.loss, rest);
      sum += load(live);
    }
    total += reduce_add(sum);
  }
  return total;
}

// 1 and -1; what is neither above nor below 0 stays: 0 and NaN.
TW_INLINE Vec sign(Vec d) {
  return select(d > Vec{}, broadcast(1.f),
                select(d < Vec{}, broadcast(-1.f), d));
}

// Everywhere `max` and `min` let a NaN of their second operand through.
TW_INLINE LossOf huber(Vec d, Vec delta) {
  const Vec size = abs(d);
  const Vec far = delta * (size - 0.5f * delta);
  return {select(size <= delta, 0.5f * d * d, far), max(-delta, min(delta, d))};
}

TW_INLINE LossOf binary_cross_entropy(Vec x, Vec t) {
  const Vec least = broadcast(kLeastLogarithm);
  const Vec yes = max(least, log(x)), no = max(least, log1p(-x));
  const Vec variance = max(broadcast(kLeastVariance), x * (1.f - x));
  return {(t - 1.f) * no - t * yes, (x - t) / variance};
}

TW_INLINE LossOf with_logits(Vec x, Vec t) {
  const Vec e = exp_nonpositive(-abs(x));
  // The two large terms first: what is left of them may be small.
  const Vec loss = (relu(x) - x * t) + log1p(e);
  // sigmoid(x) - t, without the digits that this loses where both are near 1.
  const Vec one = broadcast(1.f);
  const Vec yes = select(x < Vec{}, e, one), no = select(x < Vec{}, one, e);
  return {loss, ((1.f - t) * yes - t * no) / (1.f + e)};
}

double block_loss(const LossBlock& b) {
  const Vec delta = broadcast(b.delta);
  switch (b.kind) {
    case LossKind::squared_error:
      return over_elements(b, [](Vec x, Vec t) {
        const Vec d = x - t;
        return LossOf{d * d, d + d};
      });
    case LossKind::absolute_error:
      return over_elements(b, [](Vec x, Vec t) {
        const Vec d = x - t;
        return LossOf{abs(d), sign(d)};
      });
    case LossKind::huber:
      return over_elements(b,
                           [&](Vec x, Vec t) { return huber(x - t, delta); });
    case LossKind::binary_cross_entropy:
      return over_elements(
          b, [](Vec x, Vec t) { return binary_cross_entropy(x, t); });
    case LossKind::binary_cross_entropy_with_logits: break;
  }
  return over_elements(b, [](Vec x, Vec t) { return with_logits(x, t); });
}

}  // namespace

const ElementwiseLossKernel kElementwiseLossKernel = block_loss;

}  // namespace tw::cpu::TW_ISA
