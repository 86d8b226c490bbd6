// Limits on gradients over vectors. Squares are taken and added in double, in
// which those of floats are exact.
#include "cpu/gradient_clipping_kernels.h"
#include "cpu/simd.hpp"

namespace tw::cpu::TW_ISA {
namespace {

constexpr int kHalf = kLanes / 2;
typedef double VecDouble __attribute__((vector_size(kLanes * 4)));
typedef float HalfUnaligned
    __attribute__((vector_size(kLanes * 2), aligned(4), may_alias));

TW_INLINE VecDouble load_double(const float* p) {
  return __builtin_convertvector(*reinterpret_cast<const HalfUnaligned*>(p),
                                 VecDouble);
}

double sum_of_squares(const float* grad, int64_t count) {
  constexpr int sums = 4;  // an addition's result is ready after four more
  VecDouble sum[sums] = {};
  int64_t i = 0;
  for (; i + sums * kHalf <= count; i += sums * kHalf)
    for (int s = 0; s < sums; s++) {
      const VecDouble g = load_double(grad + i + s * kHalf);
      sum[s] = g * g + sum[s];
    }
  const VecDouble all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  double total = 0;
  for (int lane = 0; lane < kHalf; lane++) total += all[lane];
  for (; i < count; i++) {
    const double g = grad[i];
    total += g * g;
  }
  return total;
}

template <class Function>
TW_INLINE void change(float* grad, int64_t count, Function function) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    store(grad + i, function(load(grad + i)));
  const int64_t rest = count - i;
  if (rest > 0)
    store_first(grad + i, function(load_first(grad + i, rest)), rest);
}

void scale(float* grad, int64_t count, float factor) {
  change(grad, count, [&](Vec g) { return g * factor; });
}

void limit(float* grad, int64_t count, float most) {
  const Vec high = broadcast(most);
  // Both let a NaN of their second operand through.
  change(grad, count, [&](Vec g) { return max(-high, min(high, g)); });
}

}  // namespace

const ClippingKernels kClippingKernels = {sum_of_squares, scale, limit};

}  // namespace tw::cpu::TW_ISA
