// The depthwise kernels of csrc/cpu/depthwise.h for one instruction set; every
// other convolution runs on the micro-kernels of simd/gemm.cpp.
#include "cpu/depthwise.h"
#include "cpu/simd.hpp"
#include "cpu/simd_math.hpp"

#define TW_UNROLL _Pragma("GCC unroll 8")

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

// Four sums hide the latency of FMA.
template <bool whole>
TW_INLINE void dot_vector(int64_t runs, const float* const* x,
                          const float* const* dy, int64_t length,
                          int64_t x_step, int64_t dy_step, int64_t c,
                          int64_t lanes, bool accumulate, float* out) {
  Vec acc[4] = {};
  for (int64_t run = 0; run < runs; run++) {
    const float* a = x[run] + c;
    const float* b = dy[run] + c;
    int64_t i = 0;
    for (; i + 4 <= length; i += 4)
      for (int j = 0; j < 4; j++, a += x_step, b += dy_step)
        acc[j] = fma(load_lanes<whole>(a, lanes), load_lanes<whole>(b, lanes),
                     acc[j]);
    for (; i < length; i++, a += x_step, b += dy_step)
      acc[0] =
          fma(load_lanes<whole>(a, lanes), load_lanes<whole>(b, lanes), acc[0]);
  }
  Vec sum = (acc[0] + acc[1]) + (acc[2] + acc[3]);
  if (accumulate) sum += load_lanes<whole>(out + c, lanes);
  store_lanes<whole>(out + c, sum, lanes);
}

void dot(int64_t runs, const float* const* x, const float* const* dy,
         int64_t length, int64_t x_step, int64_t dy_step, int64_t channels,
         bool accumulate, float* out) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes)
    dot_vector<true>(runs, x, dy, length, x_step, dy_step, c, kLanes,
                     accumulate, out);
  if (c < channels)
    dot_vector<false>(runs, x, dy, length, x_step, dy_step, c, channels - c,
                      accumulate, out);
}

}  // namespace

const DepthwiseKernels kDepthwiseKernels = {pixel, row, dot};

}  // namespace tw::cpu::TW_ISA
