// The kernels of cpu/conv2d_max_pool2d_kernels.h for one instruction set. Each
// product needs an operand of its own from memory, so that two loads a cycle
// are the bound, which is also that of FMA; sums stay in registers, enough of
// them to hide its latency.
#include "cpu/conv2d_max_pool2d_kernels.h"
#include "cpu/simd.hpp"
#include "cpu/simd_four.hpp"
#include "cpu/simd_indices.hpp"

#define TW_UNROLL _Pragma("GCC unroll 16")

namespace tw::cpu::TW_ISA {
namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kVectors = 16, kVectorsOf3 = 8;
#else
constexpr int kVectors = 12, kVectorsOf3 = 4;
#endif
constexpr int kTapsAtOnce = 9;

// `whole` where the last vector is full.
template <bool whole, int rows, int vectors>
TW_INLINE void sum_rows(const ScaledSum& s) {
  const int64_t last = s.width - (vectors - 1) * kLanes;
  const auto get = [&](const float* p, int j) {
    return whole || j < vectors - 1 ? load(p + j * kLanes)
                                    : load_first(p + j * kLanes, last);
  };
  Vec acc[rows][vectors];
  TW_UNROLL for (int r = 0; r < rows; r++) {
    TW_UNROLL for (int j = 0; j < vectors; j++)
      acc[r][j] = get(s.out + r * s.out_row, j);
  }
  for (int64_t i = 0; i < s.count; i++) {
    const float* from = s.from + s.offset[i];
    const Vec g = broadcast(s.g[i]);
    TW_UNROLL for (int r = 0; r < rows; r++) {
      TW_UNROLL for (int j = 0; j < vectors; j++)
        acc[r][j] = fma(g, get(from + r * s.from_row, j), acc[r][j]);
    }
  }
  TW_UNROLL for (int r = 0; r < rows; r++) {
    float* out = s.out + r * s.out_row;
    TW_UNROLL for (int j = 0; j < vectors; j++) {
      if (whole || j < vectors - 1)
        store(out + j * kLanes, acc[r][j]);
      else
        store_first(out + j * kLanes, acc[r][j], last);
    }
  }
}

template <int rows, int vectors>
void sum(const ScaledSum& s) {
  if (s.width == vectors * kLanes)
    sum_rows<true, rows, vectors>(s);
  else
    sum_rows<false, rows, vectors>(s);
}

// The element of a quad of floats that each lane names.
TW_INLINE Vec pick(const float* quad, VecInt index) {
#if defined(__AVX512F__)
  const __m512 all = _mm512_broadcast_f32x4(_mm_loadu_ps(quad));
  return (Vec)_mm512_permutevar_ps(all, (__m512i)index);
#elif defined(__AVX2__)
  const __m256 all = _mm256_broadcast_ps(
      reinterpret_cast<const __m128*>(quad));
  return (Vec)_mm256_permutevar_ps(all, (__m256i)index);
#else
  Vec v;
  for (int i = 0; i < kLanes; i++) v[i] = quad[index[i] & 3];
  return v;
#endif
}

// The gradient where the index is a tap; else 0.
TW_INLINE Vec alive(Vec dy, VecInt index) {
  return from_bits(bits(dy) & ~(index == broadcast_int(255)));
}

template <int taps, bool whole>
TW_INLINE void quads_of(const QuadSum& s, int64_t tap, int64_t j,
                        int64_t lanes) {
  Vec acc[taps];
  float* sums = s.sums + tap * s.k + j;
  const auto get = [&](const float* p) {
    return whole ? load(p) : load_first(p, lanes);
  };
  TW_UNROLL for (int t = 0; t < taps; t++) acc[t] = get(sums + t * s.k);
  const int32_t* at = s.tap_offset + tap;
  for (int64_t pixel = 0; pixel < s.pixels; pixel++) {
    const float* dy = s.dy + pixel * s.k + j;
    const uint8_t* indices = s.indices + pixel * s.k + j;
    const VecInt index =
        whole ? load_indices(indices) : load_first_indices(indices, lanes);
    const Vec g = alive(get(dy), index);
    const float* quads = s.quads + s.pixel_offset[pixel];
    TW_UNROLL for (int t = 0; t < taps; t++)
      acc[t] = fma(g, pick(quads + at[t], index), acc[t]);
  }
  TW_UNROLL for (int t = 0; t < taps; t++) {
    if (whole)
      store(sums + t * s.k, acc[t]);
    else
      store_first(sums + t * s.k, acc[t], lanes);
  }
}

template <int taps>
TW_INLINE void quads_taps(const QuadSum& s, int64_t tap) {
  int64_t j = 0;
  for (; j + kLanes <= s.k; j += kLanes)
    quads_of<taps, true>(s, tap, j, kLanes);
  if (j < s.k) quads_of<taps, false>(s, tap, j, s.k - j);
}

void add_bias(const float* dy, const uint8_t* indices, int64_t pixels,
              int64_t k, float* dbias) {
  int64_t j = 0;
  for (; j + kLanes <= k; j += kLanes) {
    Vec sum = load(dbias + j);
    for (int64_t at = j; at < pixels * k; at += k)
      sum += alive(load(dy + at), load_indices(indices + at));
    store(dbias + j, sum);
  }
  for (; j < k; j++)
    for (int64_t at = j; at < pixels * k; at += k)
      dbias[j] += indices[at] == 255 ? 0.f : dy[at];
}

void quad_sums(const QuadSum& s) {
  int64_t tap = 0;
  for (; tap + kTapsAtOnce <= s.taps; tap += kTapsAtOnce)
    quads_taps<kTapsAtOnce>(s, tap);
  for (; tap < s.taps; tap++) quads_taps<1>(s, tap);
  add_bias(s.dy, s.indices, s.pixels, s.k, s.sums + s.taps * s.k);
}

void fill_quads(const float* row, int64_t count, int64_t right, int64_t below,
                float* quads) {
  int64_t i = 0;
  for (; i + 4 <= count; i += 4)
    transpose_four(load_four(row + i), load_four(row + i + right),
                   load_four(row + i + below),
                   load_four(row + i + below + right), quads + 4 * i, 4);
  for (; i < count; i++) {
    const float* from = row + i;
    float* quad = quads + 4 * i;
    quad[0] = from[0], quad[1] = from[right];
    quad[2] = from[below], quad[3] = from[below + right];
  }
}

#if defined(__AVX512F__)
void sort(const float* dy, const uint8_t* indices, int64_t k,
          int64_t positions, int64_t row, float* g, int32_t* numbers,
          int32_t* counts) {
  for (int64_t i = 0; i < positions; i++) counts[i] = 0;
  const VecInt step = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (int64_t c = 0; c < k; c += kLanes) {
    const int64_t lanes = k - c < kLanes ? k - c : kLanes;
    const bool whole = lanes == kLanes;
    const __mmask16 there = first_lanes(lanes);
    const VecInt index = whole ? load_indices(indices + c)
                               : load_first_indices(indices + c, lanes);
    const Vec gradient = load_first(dy + c, lanes);
    const VecInt number = step + broadcast_int((int32_t)c);
    for (int64_t i = 0; i < positions; i++) {
      const __mmask16 won = _mm512_mask_cmpeq_epi32_mask(
          there, (__m512i)index, _mm512_set1_epi32((int)i));
      const int64_t at = i * row + counts[i];
      // Compressed in registers: to memory it is slow on some processors.
      store(g + at, (Vec)_mm512_maskz_compress_ps(won, (__m512)gradient));
      store_int(numbers + at,
                (VecInt)_mm512_maskz_compress_epi32(won, (__m512i)number));
      counts[i] += __builtin_popcount(won);
    }
  }
}
#else
void sort(const float* dy, const uint8_t* indices, int64_t k,
          int64_t positions, int64_t row, float* g, int32_t* numbers,
          int32_t* counts) {
  for (int64_t i = 0; i < positions; i++) counts[i] = 0;
  for (int64_t c = 0; c < k; c++) {
    const int64_t i = indices[c];
    if (i >= positions) continue;
    const int64_t at = i * row + counts[i]++;
    g[at] = dy[c];
    numbers[at] = (int32_t)c;
  }
}
#endif

template <int vectors>
constexpr void fill(PooledGradientKernels& table) {
  table.sum[vectors] = sum<1, vectors>;
  if constexpr (vectors <= kVectorsOf3) table.sum_of_3[vectors] = sum<3, vectors>;
  if constexpr (vectors > 1) fill<vectors - 1>(table);
}

constexpr PooledGradientKernels make_table() {
  PooledGradientKernels table{};
  table.lanes = kLanes;
  table.vectors = kVectors;
  table.vectors_of_3 = kVectorsOf3;
  fill<kVectors>(table);
  table.quad_sums = quad_sums;
  table.fill_quads = fill_quads;
  table.add_bias = add_bias;
  table.sort = sort;
  return table;
}

}  // namespace

const PooledGradientKernels kPooledGradient = make_table();

}  // namespace tw::cpu::TW_ISA
