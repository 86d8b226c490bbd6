// The step of RMSprop and Adagrad, one element at a time.
#include <cmath>

#include "cpu/rmsprop_kernels.h"

namespace tw::cpu::ref {
namespace {

void step(const RmspropCoefficients& c, const RmspropArrays& t) {
  for (int64_t i = 0; i < t.size; i++) {
    float g = t.grad[i];
    if (c.weight_decay != 0) g += c.weight_decay * t.param[i];
    const float square = c.decay * t.square_avg[i] + c.weight * g * g;
    t.square_avg[i] = square;
    float variance = square;
    if (t.grad_avg) {
      const float mean = c.decay * t.grad_avg[i] + c.weight * g;
      t.grad_avg[i] = mean;
      variance -= mean * mean;
      if (variance < 0) variance = 0;
    }
    float direction = g / (c.eps_in_root ? std::sqrt(variance + c.eps)
                                         : std::sqrt(variance) + c.eps);
    if (t.momentum_buffer) {
      direction += c.momentum * t.momentum_buffer[i];
      t.momentum_buffer[i] = direction;
    }
    t.param[i] -= c.lr * direction;
  }
}

}  // namespace

const RmspropKernel kRmspropKernel = step;

}  // namespace tw::cpu::ref
