// The kernels of cpu/narrow_groups.h for one instruction set; every other
// convolution runs on the micro-kernels of simd/gemm.cpp and on conv2d_*.cpp.
#include "cpu/narrow_groups.h"
#include "cpu/simd.hpp"
#include "cpu/simd_math.hpp"

#define TW_UNROLL _Pragma("GCC unroll 16")

namespace tw::cpu::TW_ISA {
namespace {

// Weights of so many places in a group are in registers at a time.
constexpr int kPlaces = 4;

template <bool whole>
TW_INLINE Vec load_lanes(const float* p, int64_t lanes) {
  if constexpr (whole) return load(p);
  return load_first(p, lanes);
}

template <bool whole>
TW_INLINE void store_lanes(float* p, Vec v, int64_t lanes) {
  if constexpr (whole)
    store(p, v);
  else
    store_first(p, v, lanes);
}

// Element `i` of each two (width 2) or four of a vector, as an immediate of the
// x86 shuffles.
constexpr int pattern(int width, int i) {
  return width == 4 ? i * 0x55 : i * 0x05 | (i + 2) * 0x50;
}

// The i-th channel of each group in all of the group's lanes.
template <int width, int i>
TW_INLINE Vec spread(Vec v) {
  if constexpr (width == 1) {
    return v;
  } else if constexpr (width == 8) {
#if defined(__AVX512F__)
    const VecInt from = {i,     i,     i,     i,     i,     i,
                         i,     i,     i + 8, i + 8, i + 8, i + 8,
                         i + 8, i + 8, i + 8, i + 8};
    return (Vec)_mm512_maskz_permutexvar_ps(kAllLanes, (__m512i)from,
                                            (__m512)v);
#elif defined(__AVX2__)
    return (Vec)_mm256_permutevar8x32_ps((__m256)v, (__m256i)broadcast_int(i));
#endif
  } else {
#if defined(__AVX512F__)
    return (Vec)_mm512_maskz_permute_ps(kAllLanes, (__m512)v,
                                        pattern(width, i));
#elif defined(__AVX2__)
    return (Vec)_mm256_permute_ps((__m256)v, pattern(width, i));
#elif defined(__aarch64__)
    if constexpr (width == 4) return (Vec)vdupq_laneq_f32((float32x4_t)v, i);
    return (Vec)(i ? vtrn2q_f32((float32x4_t)v, (float32x4_t)v)
                   : vtrn1q_f32((float32x4_t)v, (float32x4_t)v));
#endif
  }
}

// acc + x's places [first, first + count), each spread and times its w.
template <int width, int first, int count>
TW_INLINE Vec multiply_places(Vec x, const Vec* w, Vec acc) {
  acc = fma(spread<width, first>(x), w[0], acc);
  if constexpr (count > 1) acc = fma(spread<width, first + 1>(x), w[1], acc);
  if constexpr (count > 2) acc = fma(spread<width, first + 2>(x), w[2], acc);
  if constexpr (count > 3) acc = fma(spread<width, first + 3>(x), w[3], acc);
  return acc;
}

// `pixels` neighbours' sums over the taps' places [first, width).
template <int width, bool whole, int pixels, int first = 0>
TW_INLINE void add_tap(const float* source, int64_t step, const float* weight,
                       int64_t channels, int64_t lanes, Vec* acc) {
  constexpr int count = width - first < kPlaces ? width - first : kPlaces;
  Vec w[count];
  TW_UNROLL for (int i = 0; i < count; i++)
    w[i] = load_lanes<whole>(weight + (first + i) * channels, lanes);
  TW_UNROLL for (int p = 0; p < pixels; p++)
    acc[p] = multiply_places<width, first, count>(
        load_lanes<whole>(source + p * step, lanes), w, acc[p]);
  if constexpr (first + count < width)
    add_tap<width, whole, pixels, first + count>(source, step, weight, channels,
                                                 lanes, acc);
}

template <int width, bool whole>
TW_INLINE void pixel_vector(int64_t taps, const float* const* source,
                            const float* const* weight, int64_t channels,
                            int64_t c, int64_t lanes, const float* bias,
                            Activation activation, float* out) {
  Vec acc = {};
  for (int64_t t = 0; t < taps; t++)
    add_tap<width, whole, 1>(source[t] + c, 0, weight[t] + c, channels, lanes,
                             &acc);
  if (bias) acc += load_lanes<whole>(bias + c, lanes);
  if (activation != Activation::none) acc = apply_activation(activation, acc);
  store_lanes<whole>(out + c, acc, lanes);
}

template <int width>
void pixel(int64_t taps, const float* const* source, const float* const* weight,
           int64_t channels, const float* bias, Activation activation,
           float* out) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes)
    pixel_vector<width, true>(taps, source, weight, channels, c, kLanes, bias,
                              activation, out);
  if (c < channels)
    pixel_vector<width, false>(taps, source, weight, channels, c, channels - c,
                               bias, activation, out);
}

template <int width, bool whole, int pixels>
TW_INLINE void row_vector(int64_t taps, const float* const* source,
                          const float* const* weight, int64_t channels,
                          int64_t c, int64_t lanes, int64_t step,
                          const float* next, const float* bias,
                          Activation activation, float* out, int64_t out_step,
                          bool streaming) {
  Vec acc[pixels];
  const Vec start = bias ? load_lanes<whole>(bias + c, lanes) : Vec{};
  TW_UNROLL for (int i = 0; i < pixels; i++) acc[i] = start;
  TW_UNROLL for (int i = 0; i < pixels; i++)
    __builtin_prefetch(next + c + i * step, 0, 2);
  for (int64_t t = 0; t < taps; t++)
    add_tap<width, whole, pixels>(source[t] + c, step, weight[t] + c, channels,
                                  lanes, acc);
  TW_UNROLL for (int i = 0; i < pixels; i++) {
    if (activation == Activation::relu) acc[i] = relu(acc[i]);
    float* to = out + i * out_step + c;
    whole && streaming ? stream(to, acc[i])
                       : store_lanes<whole>(to, acc[i], lanes);
  }
}

template <int width, int pixels>
TW_INLINE void row_pixels(int64_t taps, const float* const* source,
                          const float* const* weight, int64_t channels,
                          int64_t step, const float* next, const float* bias,
                          Activation activation, float* out, int64_t out_step,
                          bool streaming) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes)
    row_vector<width, true, pixels>(taps, source, weight, channels, c, kLanes,
                                    step, next, bias, activation, out, out_step,
                                    streaming);
  if (c < channels)
    row_vector<width, false, pixels>(taps, source, weight, channels, c,
                                     channels - c, step, next, bias, activation,
                                     out, out_step, streaming);
  if (activation > Activation::relu)
    for (int i = 0; i < pixels; i++)
      activate(activation, out + i * out_step, channels);
}

template <int width>
void row(int64_t taps, const float* const* source, const float* const* weight,
         int64_t channels, int64_t count, int64_t step, const float* next,
         const float* bias, Activation activation, float* out, int64_t out_step,
         bool streaming) {
  const float* at[kMaxRowTaps];
  int64_t q = 0;
  const auto advance = [&](int64_t pixels) {
    for (int64_t t = 0; t < taps; t++) at[t] += pixels * step;
    q += pixels, out += pixels * out_step, next += pixels * step;
  };
  for (int64_t t = 0; t < taps; t++) at[t] = source[t];
  for (; q + 8 <= count; advance(8))
    row_pixels<width, 8>(taps, at, weight, channels, step, next, bias,
                         activation, out, out_step, streaming);
  for (; q + 4 <= count; advance(4))
    row_pixels<width, 4>(taps, at, weight, channels, step, next, bias,
                         activation, out, out_step, streaming);
  for (; q < count; advance(1))
    row_pixels<width, 1>(taps, at, weight, channels, step, next, bias,
                         activation, out, out_step, streaming);
  if (streaming) stream_fence();
}

// sums[i] += places [i, width) of x * dy.
template <int width, int i = 0>
TW_INLINE void add_dots(Vec x, Vec dy, Vec* sums) {
  sums[i] = fma(spread<width, i>(x), dy, sums[i]);
  if constexpr (i + 1 < width) add_dots<width, i + 1>(x, dy, sums);
}

// A vector of dy meets the sources of all its taps: one load each.
template <int width, bool whole, int taps>
TW_INLINE void dots_vector(const GroupDots& d, int64_t c, int64_t lanes) {
  Vec sum[taps][width];
  const float* x[taps];
  TW_UNROLL for (int t = 0; t < taps; t++) {
    TW_UNROLL for (int i = 0; i < width; i++)
      sum[t][i] = load_lanes<whole>(d.sums[t] + i * d.channels + c, lanes);
    x[t] = d.x[t] + c;
  }
  const float* dy = d.dy + c;
  int64_t at = 0;
  for (int64_t p = 0; p < d.length; p++, at += d.x_step, dy += d.dy_step) {
    const Vec v = load_lanes<whole>(dy, lanes);
    TW_UNROLL for (int t = 0; t < taps; t++)
      add_dots<width>(load_lanes<whole>(x[t] + at, lanes), v, sum[t]);
  }
  TW_UNROLL for (int t = 0; t < taps; t++)
    TW_UNROLL for (int i = 0; i < width; i++)
      store_lanes<whole>(d.sums[t] + i * d.channels + c, sum[t][i], lanes);
}

template <int width, int taps>
void dots_of(const GroupDots& d) {
  int64_t c = 0;
  for (; c + kLanes <= d.channels; c += kLanes)
    dots_vector<width, true, taps>(d, c, kLanes);
  if (c < d.channels) dots_vector<width, false, taps>(d, c, d.channels - c);
}

// Sums of so many taps stay in registers.
constexpr int most_taps(int width) {
  return width == 1 ? kMostDots : width == 2 ? 6 : width == 4 ? 3 : 1;
}

template <int width, int taps = most_taps(width)>
void dots(const GroupDots& d) {
  if (d.taps == taps) return dots_of<width, taps>(d);
  if constexpr (taps > 1) dots<width, taps - 1>(d);
}

template <int width>
constexpr GroupKernels kernels_of() {
  return {pixel<width>, row<width>, dots<width>, most_taps(width)};
}

}  // namespace

const NarrowGroupKernels kNarrowGroups = {{
    kernels_of<1>(),
    kernels_of<2>(),
    kernels_of<4>(),
#if defined(__AVX2__)
    kernels_of<8>(),
#else
    {},
#endif
}};

}  // namespace tw::cpu::TW_ISA
