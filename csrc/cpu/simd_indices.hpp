// Vectors of pooling indices, one byte or four each in memory.
#pragma once

#include "cpu/simd.hpp"

namespace tw::cpu::TW_ISA {

// GCC 12 takes __builtin_convertvector of bytes apart, lane by lane.
#if defined(__AVX512F__)
TW_INLINE VecInt load_indices(const uint8_t* p) {
  return (VecInt)_mm512_maskz_cvtepu8_epi32(
      (__mmask16)-1, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
TW_INLINE void store_indices(uint8_t* p, VecInt v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm512_maskz_cvtepi32_epi8((__mmask16)-1, (__m512i)v));
}
#elif defined(__AVX2__)
TW_INLINE VecInt load_indices(const uint8_t* p) {
  return (VecInt)_mm256_cvtepu8_epi32(
      _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
TW_INLINE void store_indices(uint8_t* p, VecInt v) {
  const __m256i low_bytes = _mm256_set1_epi32(0x0c080400);
  const __m256i packed = _mm256_shuffle_epi8((__m256i)v, low_bytes);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p),
                   _mm_unpacklo_epi32(_mm256_castsi256_si128(packed),
                                      _mm256_extracti128_si256(packed, 1)));
}
#else
typedef uint8_t VecByte __attribute__((vector_size(kLanes)));
TW_INLINE VecInt load_indices(const uint8_t* p) {
  VecByte v;
  __builtin_memcpy(&v, p, kLanes);
  return __builtin_convertvector(v, VecInt);
}
TW_INLINE void store_indices(uint8_t* p, VecInt v) {
  const VecByte narrow = __builtin_convertvector(v, VecByte);
  __builtin_memcpy(p, &narrow, kLanes);
}
#endif
TW_INLINE VecInt load_indices(const int32_t* p) { return load_int(p); }
TW_INLINE void store_indices(int32_t* p, VecInt v) { store_int(p, v); }

template <class Index>
TW_INLINE VecInt load_first_indices(const Index* p, int64_t n) {
  VecInt v = {};
  for (int64_t i = 0; i < n; i++) v[i] = p[i];
  return v;
}
template <class Index>
TW_INLINE void store_first_indices(Index* p, VecInt v, int64_t n) {
  int32_t lane[kLanes];
  store_int(lane, v);
  for (int64_t i = 0; i < n; i++) p[i] = (Index)lane[i];
}

}  // namespace tw::cpu::TW_ISA
