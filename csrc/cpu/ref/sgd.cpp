// The step of gradient descent, one element at a time.
#include "cpu/sgd_kernels.h"

namespace tw::cpu::ref {
namespace {

void step(const SgdCoefficients& c, int64_t count, float* param,
          const float* grad, float* momentum_buffer) {
  for (int64_t i = 0; i < count; i++) {
    float g = grad[i];
    if (c.weight_decay != 0) g += c.weight_decay * param[i];
    float direction = g;
    if (momentum_buffer) {
      const float buffer = c.momentum * momentum_buffer[i] + g;
      momentum_buffer[i] = buffer;
      direction = c.nesterov ? g + c.momentum * buffer : buffer;
    }
    param[i] -= c.lr * direction;
  }
}

}  // namespace

const SgdKernel kSgdKernel = step;

}  // namespace tw::cpu::ref
