// The loops of csrc/cpu/roofline.h for one instruction set.
#include "cpu/roofline.h"

#include "cpu/simd.hpp"

#define TW_UNROLL _Pragma("GCC unroll 16")

namespace tw::cpu::TW_ISA {
namespace {

// Two units of latency 4 need 8 sums in flight; 12 still fit 16 registers.
constexpr int kSums = 12;

double multiply_add(int64_t iterations, float* data) {
  Vec acc[kSums];  // unlike, or the compiler would compute one of them
  TW_UNROLL for (int j = 0; j < kSums; j++) acc[j] = broadcast((float)j);
  const Vec factor = load(data), addend = load(data + kLanes);
  for (int64_t i = 0; i < iterations; i++) {
  TW_UNROLL for (int j = 0; j < kSums; j++)
      acc[j] = fma(acc[j], factor, addend);
  }
  for (int j = 1; j < kSums; j++) acc[0] += acc[j];
  store(data, acc[0]);
  return 2.0 * kSums * kLanes * static_cast<double>(iterations);
}

template <bool streaming>
TW_INLINE void copy_vectors(int64_t count, const float* src, float* dst) {
  constexpr int step = 64 / kLanes;
  for (int64_t i = 0; i < count; i += 64) {
    Vec v[step];
    TW_UNROLL for (int j = 0; j < step; j++) v[j] = load(src + i + j * kLanes);
    TW_UNROLL for (int j = 0; j < step; j++) {
      if constexpr (streaming)
        stream(dst + i + j * kLanes, v[j]);
      else
        store(dst + i + j * kLanes, v[j]);
    }
  }
  if constexpr (streaming) stream_fence();
}

void copy(int64_t count, const float* src, float* dst) {
  copy_vectors<false>(count, src, dst);
}

void copy_streaming(int64_t count, const float* src, float* dst) {
  copy_vectors<true>(count, src, dst);
}

}  // namespace

const RooflineKernels kRooflineKernels = {multiply_add, copy, copy_streaming};

}  // namespace tw::cpu::TW_ISA
