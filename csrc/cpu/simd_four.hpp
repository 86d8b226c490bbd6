// Four floats, the same on every machine, and the transposition of 4 x 4: eight
// shuffles, whatever the machine's width. Wider vectors would save shuffles but
// not loads and stores, which bound it.
#pragma once

#include "cpu/simd.hpp"

namespace tw::cpu::TW_ISA {

typedef float Four __attribute__((vector_size(16)));
typedef float FourUnaligned
    __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t FourInts __attribute__((vector_size(16)));

TW_INLINE Four load_four(const float* p) {
  return *reinterpret_cast<const FourUnaligned*>(p);
}
TW_INLINE void store_four(float* p, Four v) {
  *reinterpret_cast<FourUnaligned*>(p) = v;
}
#if defined(__clang__)
#define TW_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define TW_SHUFFLE(a, b, i, j, k, l) \
  __builtin_shuffle(a, b, FourInts{i, j, k, l})
#endif

// to[i * step ..] = (a[i], b[i], c[i], d[i]).
TW_INLINE void transpose_four(Four a, Four b, Four c, Four d, float* to,
                              int64_t step) {
  const Four ab_low = TW_SHUFFLE(a, b, 0, 4, 1, 5);
  const Four ab_high = TW_SHUFFLE(a, b, 2, 6, 3, 7);
  const Four cd_low = TW_SHUFFLE(c, d, 0, 4, 1, 5);
  const Four cd_high = TW_SHUFFLE(c, d, 2, 6, 3, 7);
  store_four(to, TW_SHUFFLE(ab_low, cd_low, 0, 1, 4, 5));
  store_four(to + step, TW_SHUFFLE(ab_low, cd_low, 2, 3, 6, 7));
  store_four(to + 2 * step, TW_SHUFFLE(ab_high, cd_high, 0, 1, 4, 5));
  store_four(to + 3 * step, TW_SHUFFLE(ab_high, cd_high, 2, 3, 6, 7));
}

}  // namespace tw::cpu::TW_ISA
