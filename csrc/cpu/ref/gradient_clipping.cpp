// Limits on gradients, one element at a time.
#include "cpu/gradient_clipping_kernels.h"

namespace tw::cpu::ref {
namespace {

double sum_of_squares(const float* grad, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) {
    const double g = grad[i];
    sum += g * g;
  }
  return sum;
}

void scale(float* grad, int64_t count, float factor) {
  for (int64_t i = 0; i < count; i++) grad[i] *= factor;
}

void limit(float* grad, int64_t count, float most) {
  for (int64_t i = 0; i < count; i++) {
    if (grad[i] > most) grad[i] = most;
    if (grad[i] < -most) grad[i] = -most;
  }
}

}  // namespace

const ClippingKernels kClippingKernels = {sum_of_squares, scale, limit};

}  // namespace tw::cpu::ref
