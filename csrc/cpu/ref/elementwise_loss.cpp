// Losses of elements as their definitions say them, in double.
#include <algorithm>
#include <cmath>

#include "cpu/elementwise_loss_kernels.h"

namespace tw::cpu::ref {
namespace {

struct LossOf {
  double loss, slope;
};

// std::max(least, v) is `least` where v is NaN; here NaN stays.
double at_least(double least, double v) { return v < least ? least : v; }

LossOf binary_cross_entropy(double x, double t) {
  const double yes = at_least(kLeastLogarithm, std::log(x));
  const double no = at_least(kLeastLogarithm, std::log1p(-x));
  return {(t - 1) * no - t * yes,
          (x - t) / at_least(kLeastVariance, x * (1 - x))};
}

LossOf with_logits(double x, double t) {
  const double e = std::exp(-std::fabs(x));
  const double loss = at_least(0, x) - x * t + std::log1p(e);
  const double yes = x < 0 ? e : 1, no = x < 0 ? 1 : e;
  return {loss, ((1 - t) * yes - t * no) / (1 + e)};
}

LossOf huber(double d, double delta) {
  const double size = std::fabs(d);
  if (size <= delta) return {d * d / 2, d};
  return {delta * (size - delta / 2),
          std::isnan(d) ? d : std::copysign(delta, d)};
}

LossOf loss_of(const LossBlock& b, double x, double t) {
  const double d = x - t;
  switch (b.kind) {
    case LossKind::squared_error: return {d * d, 2 * d};
    case LossKind::absolute_error:
      return {std::fabs(d), d > 0 ? 1 : d < 0 ? -1 : d};
    case LossKind::huber: return huber(d, b.delta);
    case LossKind::binary_cross_entropy: return binary_cross_entropy(x, t);
    case LossKind::binary_cross_entropy_with_logits: break;
  }
  return with_logits(x, t);
}

double block_loss(const LossBlock& b) {
  double sum = 0;
  for (int64_t i = 0; i < b.count; i++) {
    const LossOf e = loss_of(b, b.x[i], b.target[i]);
    b.dx[i] = static_cast<float>(e.slope * b.scale);
    if (b.losses) b.losses[i] = static_cast<float>(e.loss);
    sum += e.loss;
  }
  return sum;
}

}  // namespace

const ElementwiseLossKernel kElementwiseLossKernel = block_loss;

}  // namespace tw::cpu::ref
