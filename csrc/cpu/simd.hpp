// One vector type of the widest registers that this translation unit is
// compiled for: GCC/Clang vector extensions, with intrinsics only where these
// have no word for it (masks, square root). A micro-kernel over it is one
// source for AVX-512, AVX2 and NEON.
//
// Included by csrc/cpu/simd/*.cpp alone, which are compiled once per
// instruction set with TW_ISA naming the namespace: everything here is inside
// it, so that no wide inline function can be the copy the linker keeps for all.
// For the same reason these sources include no std:: templates.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define TW_INLINE inline __attribute__((always_inline))

namespace tw::cpu::TW_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int32_t VecInt __attribute__((vector_size(kLanes * 4)));
typedef float VecUnaligned
    __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
typedef int32_t VecIntUnaligned
    __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

TW_INLINE Vec load(const float* p) {
  return *reinterpret_cast<const VecUnaligned*>(p);
}
TW_INLINE void store(float* p, Vec v) {
  *reinterpret_cast<VecUnaligned*>(p) = v;
}
TW_INLINE VecInt load_int(const int32_t* p) {
  return *reinterpret_cast<const VecIntUnaligned*>(p);
}
TW_INLINE void store_int(int32_t* p, VecInt v) {
  *reinterpret_cast<VecIntUnaligned*>(p) = v;
}
TW_INLINE Vec broadcast(float x) { return x - Vec{}; }
TW_INLINE VecInt broadcast_int(int32_t x) { return x - VecInt{}; }
TW_INLINE Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }  // -ffp-contract

TW_INLINE VecInt bits(Vec v) { return (VecInt)v; }
TW_INLINE Vec from_bits(VecInt v) { return (Vec)v; }
// Comparisons of vectors give all ones where true; NaN compares false.
TW_INLINE Vec select(VecInt mask, Vec yes, Vec no) {
  return from_bits((bits(yes) & mask) | (bits(no) & ~mask));
}
TW_INLINE VecInt select_int(VecInt mask, VecInt yes, VecInt no) {
  return (yes & mask) | (no & ~mask);
}

#if defined(__AVX512F__)
// Of the forms without a mask GCC 12 warns in its own headers (bug 105593).
constexpr __mmask16 kAllLanes = 0xffff;
#endif

// max(a, b) = a > b ? a : b, one instruction on x86; where either is NaN, b.
TW_INLINE Vec max(Vec a, Vec b) {
#if defined(__AVX512F__)
  return (Vec)_mm512_maskz_max_ps(kAllLanes, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return select(a > b, a, b);
#endif
}
TW_INLINE Vec min(Vec a, Vec b) {
#if defined(__AVX512F__)
  return (Vec)_mm512_maskz_min_ps(kAllLanes, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Vec)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return select(a < b, a, b);
#endif
}

// relu that lets NaN through: max(0, v) returns its second operand on NaN.
TW_INLINE Vec relu(Vec v) { return max(Vec{}, v); }

TW_INLINE Vec sqrt(Vec v) {
#if defined(__AVX512F__)
  return (Vec)_mm512_maskz_sqrt_ps(kAllLanes, (__m512)v);
#elif defined(__AVX2__)
  return (Vec)_mm256_sqrt_ps((__m256)v);
#elif defined(__aarch64__)
  return (Vec)vsqrtq_f32((float32x4_t)v);
#else
  for (int i = 0; i < kLanes; i++) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

// The first n (0..kLanes) lanes; the rest of a loaded vector is zero, and no
// byte beyond the n-th element is touched.
#if defined(__AVX512F__)
TW_INLINE __mmask16 first_lanes(int64_t n) {
  return (__mmask16)((1u << n) - 1u);
}
TW_INLINE Vec load_first(const float* p, int64_t n) {
  return (Vec)_mm512_maskz_loadu_ps(first_lanes(n), p);
}
TW_INLINE void store_first(float* p, Vec v, int64_t n) {
  _mm512_mask_storeu_ps(p, first_lanes(n), (__m512)v);
}
#elif defined(__AVX2__)
TW_INLINE __m256i first_lanes(int64_t n) {
  const VecInt lane = {0, 1, 2, 3, 4, 5, 6, 7};
  return (__m256i)(lane < broadcast_int((int32_t)n));
}
TW_INLINE Vec load_first(const float* p, int64_t n) {
  return (Vec)_mm256_maskload_ps(p, first_lanes(n));
}
TW_INLINE void store_first(float* p, Vec v, int64_t n) {
  _mm256_maskstore_ps(p, first_lanes(n), (__m256)v);
}
#else
// Two lanes, then one: a loop would become a call of memcpy, across which no
// vector keeps its register.
TW_INLINE Vec load_first(const float* p, int64_t n) {
  if (n >= kLanes) return load(p);
  Vec v = {};
  if (n >= 2) v[0] = p[0], v[1] = p[1];
  if (n == 1) v[0] = p[0];
  if (n == 3) v[2] = p[2];
  return v;
}
TW_INLINE void store_first(float* p, Vec v, int64_t n) {
  if (n >= kLanes) return store(p, v);
  if (n >= 2) p[0] = v[0], p[1] = v[1];
  if (n == 1) p[0] = v[0];
  if (n == 3) p[2] = v[2];
}
#endif

// A store that goes past the caches, to an address aligned to a whole vector:
// for results too large to be found in them later. Whoever streams calls
// stream_fence() before others may read.
TW_INLINE void stream(float* p, Vec v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX2__)
  _mm256_stream_ps(p, (__m256)v);
#else
  store(p, v);
#endif
}
TW_INLINE void stream_fence() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

// Halving tree: a fixed order of operations for each vector width. The upper
// half is folded on the lower one until four lanes are left.
typedef float Quad __attribute__((vector_size(16)));

template <class Fold>
TW_INLINE float reduce(Vec v, Fold fold) {
#if defined(__AVX512F__)
  const __m256 low = _mm512_maskz_extractf32x8_ps(0xff, (__m512)v, 0);
  const __m256 high = _mm512_maskz_extractf32x8_ps(0xff, (__m512)v, 1);
  const __m256 eight = fold(low, high);
#elif defined(__AVX2__)
  const __m256 eight = (__m256)v;
#endif
#if defined(__AVX2__)
  const Quad four = fold((Quad)_mm256_castps256_ps128(eight),
                         (Quad)_mm256_extractf128_ps(eight, 1));
#else
  const Quad four = v;
#endif
  const Quad two = fold(four, Quad{four[2], four[3], four[2], four[3]});
  return fold(two, Quad{two[1], two[1], two[1], two[1]})[0];
}
TW_INLINE float reduce_add(Vec v) {
  return reduce(v, [](auto a, auto b) { return a + b; });
}
TW_INLINE float reduce_max(Vec v) {
  return reduce(v, [](auto a, auto b) { return a > b ? a : b; });
}

}  // namespace tw::cpu::TW_ISA
