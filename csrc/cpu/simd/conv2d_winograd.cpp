// The transforms of cpu/conv2d_winograd_kernels.h for one instruction set: a
// vector of channels at a time, columns first and then rows, with the sums that
// the matrices' rows share taken once. Interpolation points 0, 1, -1, infinity
// for F(2), and 2, -2 besides for F(4).
#include "cpu/conv2d_winograd_kernels.h"
#include "cpu/simd.hpp"
#include "cpu/simd_indices.hpp"
#include "cpu/simd_math.hpp"

#define TW_INLINED __attribute__((always_inline))
#define TW_UNROLL _Pragma("GCC unroll 36")

namespace tw::cpu::TW_ISA {
namespace {

// One-dimensional transforms of `in` vectors, `step` apart, to `out`.
struct Input2 {
  static constexpr int in = 4, out = 4;
  static TW_INLINE void line(const Vec* d, int step, Vec* t, int t_step) {
    t[0] = d[0] - d[2 * step];
    t[t_step] = d[step] + d[2 * step];
    t[2 * t_step] = d[2 * step] - d[step];
    t[3 * t_step] = d[step] - d[3 * step];
  }
};
struct Weight2 {
  static constexpr int in = 3, out = 4;
  static TW_INLINE void line(const Vec* g, int step, Vec* t, int t_step) {
    const Vec even = 0.5f * (g[0] + g[2 * step]), odd = 0.5f * g[step];
    t[0] = g[0];
    t[t_step] = even + odd;
    t[2 * t_step] = even - odd;
    t[3 * t_step] = g[2 * step];
  }
};
struct Gradient2 {
  static constexpr int in = 2, out = 4;
  static TW_INLINE void line(const Vec* y, int step, Vec* t, int t_step) {
    t[0] = y[0];
    t[t_step] = y[0] + y[step];
    t[2 * t_step] = y[0] - y[step];
    t[3 * t_step] = -y[step];
  }
};
struct WeightGradient2 {
  static constexpr int in = 4, out = 3;
  static TW_INLINE void line(const Vec* u, int step, Vec* t, int t_step) {
    const Vec even = 0.5f * (u[step] + u[2 * step]);
    t[0] = u[0] + even;
    t[t_step] = 0.5f * (u[step] - u[2 * step]);
    t[2 * t_step] = even + u[3 * step];
  }
};
struct Output2 {
  static constexpr int in = 4, out = 2;
  static TW_INLINE void line(const Vec* m, int step, Vec* t, int t_step) {
    t[0] = m[0] + (m[step] + m[2 * step]);
    t[t_step] = (m[step] - m[2 * step]) - m[3 * step];
  }
};

struct Input4 {
  static constexpr int in = 6, out = 6;
  static TW_INLINE void line(const Vec* d, int step, Vec* t, int t_step) {
    const Vec d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
    const Vec d4 = d[4 * step];
    const Vec even = d4 - 4.f * d2, odd = d3 - 4.f * d1;
    const Vec far_even = d4 - d2, far_odd = 2.f * (d3 - d1);
    t[0] = 4.f * d[0] + (d4 - 5.f * d2);
    t[t_step] = even + odd;
    t[2 * t_step] = even - odd;
    t[3 * t_step] = far_even + far_odd;
    t[4 * t_step] = far_even - far_odd;
    t[5 * t_step] = 4.f * d1 + (d[5 * step] - 5.f * d3);
  }
};
struct Weight4 {
  static constexpr int in = 3, out = 6;
  static TW_INLINE void line(const Vec* g, int step, Vec* t, int t_step) {
    const Vec g1 = g[step], g2 = g[2 * step];
    const Vec even = (-1.f / 6) * (g[0] + g2), odd = (1.f / 6) * g1;
    const Vec far_even = (1.f / 24) * g[0] + (1.f / 6) * g2;
    const Vec far_odd = (1.f / 12) * g1;
    t[0] = 0.25f * g[0];
    t[t_step] = even - odd;
    t[2 * t_step] = even + odd;
    t[3 * t_step] = far_even + far_odd;
    t[4 * t_step] = far_even - far_odd;
    t[5 * t_step] = g2;
  }
};
struct Gradient4 {
  static constexpr int in = 4, out = 6;
  static TW_INLINE void line(const Vec* y, int step, Vec* t, int t_step) {
    const Vec y1 = y[step], y2 = y[2 * step], y3 = y[3 * step];
    const Vec even = y[0] + y2, odd = y1 + y3;
    const Vec far_even = y[0] + 4.f * y2, far_odd = 2.f * y1 + 8.f * y3;
    t[0] = y[0];
    t[t_step] = even + odd;
    t[2 * t_step] = even - odd;
    t[3 * t_step] = far_even + far_odd;
    t[4 * t_step] = far_even - far_odd;
    t[5 * t_step] = y3;
  }
};
struct WeightGradient4 {
  static constexpr int in = 6, out = 3;
  static TW_INLINE void line(const Vec* u, int step, Vec* t, int t_step) {
    const Vec near = (1.f / 6) * (u[step] + u[2 * step]);
    const Vec far = u[3 * step] + u[4 * step];
    t[0] = 0.25f * u[0] + ((1.f / 24) * far - near);
    t[t_step] = (1.f / 6) * (u[2 * step] - u[step]) +
                (1.f / 12) * (u[3 * step] - u[4 * step]);
    t[2 * t_step] = ((1.f / 6) * far - near) + u[5 * step];
  }
};
struct Output4 {
  static constexpr int in = 6, out = 4;
  static TW_INLINE void line(const Vec* m, int step, Vec* t, int t_step) {
    const Vec even = m[step] + m[2 * step], odd = m[step] - m[2 * step];
    const Vec far_even = m[3 * step] + m[4 * step];
    const Vec far_odd = m[3 * step] - m[4 * step];
    t[0] = m[0] + (even + far_even);
    t[t_step] = odd + 2.f * far_odd;
    t[2 * t_step] = even + 4.f * far_even;
    t[3 * t_step] = odd + (8.f * far_odd + m[5 * step]);
  }
};

template <class Line>
TW_INLINE void both_ways(const Vec* source, Vec* target) {
  Vec half[Line::out * Line::in];
  TW_UNROLL for (int q = 0; q < Line::in; q++)
    Line::line(source + q, Line::in, half + q, Line::in);
  TW_UNROLL for (int r = 0; r < Line::out; r++)
    Line::line(half + r * Line::in, 1, target + r * Line::out, 1);
}

// Lanes of a vector of channels: all of them, or the first n.
struct Whole {
  TW_INLINE Vec get(const float* p) const { return load(p); }
  TW_INLINE void put(float* p, Vec v) const { store(p, v); }
  TW_INLINE void put(uint8_t* p, VecInt v) const { store_indices(p, v); }
};
struct First {
  int64_t n;
  TW_INLINE Vec get(const float* p) const { return load_first(p, n); }
  TW_INLINE void put(float* p, Vec v) const { store_first(p, v, n); }
  TW_INLINE void put(uint8_t* p, VecInt v) const {
    store_first_indices(p, v, n);
  }
};

// Calls block(first channel, lanes).
template <class Block>
TW_INLINE void over_channels(int64_t channels, const Block& block) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) block(c, Whole{});
  if (c < channels) block(c, First{channels - c});
}

template <class Line, class Lanes>
TW_INLINE void load_transformed(const SourceGrid& from, int64_t c,
                                const Lanes& lanes, Vec* result) {
  constexpr int in = Line::in;
  Vec source[in * in];
  TW_UNROLL for (int i = 0; i < in * in; i++)
    source[i] =
        lanes.get(from.data + i / in * from.row + i % in * from.column + c);
  both_ways<Line>(source, result);
}

template <class Line>
void transform(SourceGrid from, TargetGrid to, int64_t channels) {
  constexpr int out = Line::out;
  over_channels(channels, [&](int64_t c, const auto& lanes) TW_INLINED {
    Vec result[out * out];
    load_transformed<Line>(from, c, lanes, result);
    TW_UNROLL for (int i = 0; i < out * out; i++)
      lanes.put(to.data + i / out * to.row + i % out * to.column + c,
                result[i]);
  });
}

template <class Line>
void output(const WinogradOutput& o) {
  constexpr int m = Line::out;
  over_channels(o.channels, [&](int64_t c, const auto& lanes) TW_INLINED {
    Vec y[m * m];
    load_transformed<Line>(o.m, c, lanes, y);
    const Vec bias = o.bias ? lanes.get(o.bias + c) : Vec{};
    const bool relu_too = o.activation == Activation::relu;
    TW_UNROLL for (int i = 0; i < m * m; i++) {
      if (i / m >= o.rows || i % m >= o.columns) continue;
      const Vec v = y[i] + bias;
      lanes.put(o.y.data + i / m * o.y.row + i % m * o.y.column + c,
                relu_too ? relu(v) : v);
    }
  });
  if (o.activation > Activation::relu)
    for (int64_t i = 0; i < o.rows * o.columns; i++)
      activate(o.activation,
               o.y.data + i / o.columns * o.y.row + i % o.columns * o.y.column,
               o.channels);
}

// The first of the greatest, or the first NaN, as max_pool2d has it. Equal sums
// come out of the transforms unequal in their last bits (the last of the tile's
// greatest number), and blank parts of an image are full of them: what is
// greater by no more than `margin` is not greater.
struct Greatest {
  Vec best;  // that of the index
  Vec greatest, margin;
  VecInt index;

  TW_INLINE Greatest(const Vec* v, Vec margin)
      : best(v[0]), greatest(v[0]), margin(margin), index{} {
    for (int tap = 1; tap < 4; tap++) take(v[tap], tap);
  }

 private:
  TW_INLINE void take(Vec v, int32_t tap) {
    const VecInt wins = ~(v <= best + margin) & (best == best);
    best = select(wins, v, best);
    index = select_int(wins, broadcast_int(tap), index);
    greatest = select(~(v <= greatest) & (greatest == greatest), v, greatest);
  }
};

// A tile of F(2) is one window.
void pooled_output(const WinogradPooledOutput& o) {
  over_channels(o.channels, [&](int64_t c, const auto& lanes) TW_INLINED {
    Vec y[4];
    load_transformed<Output2>(o.m, c, lanes, y);
    const Vec bias = o.bias ? lanes.get(o.bias + c) : Vec{};
    Vec size = {};
    TW_UNROLL for (int i = 0; i < 4; i++) {
      y[i] += bias;
      size = max(size, abs(y[i]));
    }
    const Greatest found(y, size * (1.f / (1 << 22)));
    Vec greatest = found.greatest;
    VecInt index = found.index;
    if (o.relu) {
      const VecInt killed = greatest <= Vec{};
      greatest = from_bits(bits(greatest) & ~killed);
      index |= killed;  // -1, in a byte 255
    }
    lanes.put(o.y + c, greatest);
    lanes.put(o.indices + c, index);
  });
}

}  // namespace

const WinogradKernels kWinograd2 = {
    2, transform<Input2>, transform<Weight2>, transform<Gradient2>,
    transform<WeightGradient2>, output<Output2>, pooled_output};
const WinogradKernels kWinograd4 = {
    4, transform<Input4>, transform<Weight4>, transform<Gradient4>,
    transform<WeightGradient4>, output<Output4>, nullptr};

}  // namespace tw::cpu::TW_ISA
