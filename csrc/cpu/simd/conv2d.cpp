// The depthwise kernels of csrc/cpu/depthwise.h for one instruction set; every
// other convolution runs on the micro-kernels of simd/gemm.cpp.
#include "cpu/depthwise.h"
#include "cpu/simd.hpp"
#include "cpu/simd_math.hpp"

#define TW_UNROLL _Pragma("GCC unroll 16")

namespace tw::cpu::TW_ISA {
namespace {

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

template <bool whole>
TW_INLINE void pixel_vector(int64_t taps, const float* const* source,
                            const float* const* weight, int64_t c,
                            int64_t lanes, const float* bias,
                            Activation activation, float* out) {
  Vec acc = {};
  for (int64_t t = 0; t < taps; t++)
    acc = fma(load_lanes<whole>(source[t] + c, lanes),
              load_lanes<whole>(weight[t] + c, lanes), acc);
  if (bias) acc += load_lanes<whole>(bias + c, lanes);
  if (activation != Activation::none) acc = apply_activation(activation, acc);
  store_lanes<whole>(out + c, acc, lanes);
}

void pixel(int64_t taps, const float* const* source, const float* const* weight,
           int64_t channels, const float* bias, Activation activation,
           float* out) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes)
    pixel_vector<true>(taps, source, weight, c, kLanes, bias, activation, out);
  if (c < channels)
    pixel_vector<false>(taps, source, weight, c, channels - c, bias, activation,
                        out);
}

template <bool whole, int pixels>
TW_INLINE void row_vector(int64_t taps, const float* const* source,
                          const float* const* weight, int64_t c, int64_t lanes,
                          int64_t step, const float* next, const float* bias,
                          Activation activation, float* out, int64_t out_step) {
  Vec acc[pixels];
  const Vec start = bias ? load_lanes<whole>(bias + c, lanes) : Vec{};
  TW_UNROLL for (int i = 0; i < pixels; i++) acc[i] = start;
  TW_UNROLL for (int i = 0; i < pixels; i++)
    __builtin_prefetch(next + c + i * step, 0, 2);
  for (int64_t t = 0; t < taps; t++) {
    const Vec w = load_lanes<whole>(weight[t] + c, lanes);
    const float* from = source[t] + c;
    TW_UNROLL for (int i = 0; i < pixels; i++)
      acc[i] = fma(load_lanes<whole>(from + i * step, lanes), w, acc[i]);
  }
  TW_UNROLL for (int i = 0; i < pixels; i++) {
    if (activation == Activation::relu) acc[i] = relu(acc[i]);
    store_lanes<whole>(out + i * out_step + c, acc[i], lanes);
  }
}

template <int pixels>
TW_INLINE void row_pixels(int64_t taps, const float* const* source,
                          const float* const* weight, int64_t channels,
                          int64_t step, const float* next, const float* bias,
                          Activation activation, float* out,
                          int64_t out_step) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes)
    row_vector<true, pixels>(taps, source, weight, c, kLanes, step, next, bias,
                             activation, out, out_step);
  if (c < channels)
    row_vector<false, pixels>(taps, source, weight, c, channels - c, step,
                              next, bias, activation, out, out_step);
  if (activation > Activation::relu)
    for (int i = 0; i < pixels; i++)
      activate(activation, out + i * out_step, channels);
}

void row(int64_t taps, const float* const* source, const float* const* weight,
         int64_t channels, int64_t count, int64_t step, const float* next, const float* bias,
         Activation activation, float* out, int64_t out_step) {
  const float* at[kMaxRowTaps];
  int64_t q = 0;
  const auto advance = [&](int64_t pixels) {
    for (int64_t t = 0; t < taps; t++) at[t] += pixels * step;
    q += pixels, out += pixels * out_step, next += pixels * step;
  };
  for (int64_t t = 0; t < taps; t++) at[t] = source[t];
  for (; q + 8 <= count; advance(8))
    row_pixels<8>(taps, at, weight, channels, step, next, bias, activation, out,
                  out_step);
  for (; q + 4 <= count; advance(4))
    row_pixels<4>(taps, at, weight, channels, step, next, bias, activation, out,
                  out_step);
  for (; q < count; advance(1))
    row_pixels<1>(taps, at, weight, channels, step, next, bias, activation, out,
                  out_step);
}

// A vector of dy meets the sources of all its taps: one load each.
template <bool whole, int taps>
TW_INLINE void dots_vector(const DepthwiseDots& d, int64_t c, int64_t lanes) {
  Vec sum[taps];
  const float* x[taps];
  TW_UNROLL for (int t = 0; t < taps; t++) {
    sum[t] = load_lanes<whole>(d.sums[t] + c, lanes);
    x[t] = d.x[t] + c;
  }
  const float* dy = d.dy + c;
  int64_t at = 0;
  for (int64_t i = 0; i < d.length; i++, at += d.x_step, dy += d.dy_step) {
    const Vec v = load_lanes<whole>(dy, lanes);
    TW_UNROLL for (int t = 0; t < taps; t++)
      sum[t] = fma(load_lanes<whole>(x[t] + at, lanes), v, sum[t]);
  }
  TW_UNROLL for (int t = 0; t < taps; t++)
    store_lanes<whole>(d.sums[t] + c, sum[t], lanes);
}

template <int taps>
void dots_of(const DepthwiseDots& d) {
  int64_t c = 0;
  for (; c + kLanes <= d.channels; c += kLanes)
    dots_vector<true, taps>(d, c, kLanes);
  if (c < d.channels) dots_vector<false, taps>(d, c, d.channels - c);
}

void dots(const DepthwiseDots& d) {
  switch (d.taps) {
    case 1: return dots_of<1>(d);
    case 2: return dots_of<2>(d);
    case 3: return dots_of<3>(d);
    case 4: return dots_of<4>(d);
    case 5: return dots_of<5>(d);
    case 6: return dots_of<6>(d);
    case 7: return dots_of<7>(d);
    case 8: return dots_of<8>(d);
    default: return dots_of<9>(d);
  }
}

}  // namespace

const DepthwiseKernels kDepthwiseKernels = {pixel, row, dots};

}  // namespace tw::cpu::TW_ISA
