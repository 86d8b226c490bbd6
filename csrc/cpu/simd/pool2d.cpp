// Pooling over channels: a vector of channels keeps its window's maximum and
// tap (or sum) in registers, four vectors at a time so that loads overlap.
// Constant bounds for 2 x 2 let the compiler unroll the commonest window.
#include "cpu/pool2d_kernels.h"
#include "cpu/simd.hpp"
#include "cpu/simd_indices.hpp"

namespace tw::cpu::TW_ISA {
namespace {

// A window's work for one block of channels is block<vectors, partial>(c).
// Where C is no multiple of the vector the last block overlaps the one before
// it and writes the same numbers again; partial is left for C < kLanes.
template <class Window>
TW_INLINE void over_channels(int64_t C, const Window& window) {
  int64_t c = 0;
  for (; c + 4 * kLanes <= C; c += 4 * kLanes)
    window.template block<4, false>(c);
  for (; c + 2 * kLanes <= C; c += 2 * kLanes)
    window.template block<2, false>(c);
  if (c + kLanes <= C) {
    window.template block<1, false>(c);
    c += kLanes;
  }
  if (c == C) return;
  if (C > kLanes)
    window.template block<1, false>(C - kLanes);
  else
    window.template block<1, true>(0);
}

template <bool partial>
TW_INLINE Vec load_block(const float* p, int64_t C) {
  return partial ? load_first(p, C) : load(p);
}
template <bool partial>
TW_INLINE void store_block(float* p, Vec v, int64_t C) {
  if (partial)
    store_first(p, v, C);
  else
    store(p, v);
}

template <class Index>
struct MaxWindow {
  const float* x;  // its first tap outside the padding
  int64_t row_stride, C, rows, columns;
  int32_t first_tap, tap_row;
  bool relu;
  float* y;
  Index* indices;

  template <int vectors, bool partial>
  TW_INLINE void block(int64_t c) const {
    Vec best[vectors];
    VecInt tap[vectors];
    for (int j = 0; j < vectors; j++) {
      best[j] = broadcast(-__builtin_inff());
      tap[j] = broadcast_int(first_tap);
    }
    for (int64_t r = 0; r < rows; r++) {
      for (int64_t t = 0; t < columns; t++) {
        const float* p = x + r * row_stride + t * C + c;
        const VecInt here =
            broadcast_int(first_tap + (int32_t)r * tap_row + (int32_t)t);
        for (int j = 0; j < vectors; j++) {
          const Vec v = load_block<partial>(p + j * kLanes, C);
          // Greater, or the first NaN.
          const VecInt wins = ~(v <= best[j]) & (best[j] == best[j]);
          best[j] = select(wins, v, best[j]);
          tap[j] = select_int(wins, here, tap[j]);
        }
      }
    }
    for (int j = 0; j < vectors; j++) {
      if (relu) {
        const VecInt killed = best[j] <= Vec{};
        best[j] = from_bits(bits(best[j]) & ~killed);
        tap[j] |= killed;  // -1, in a byte 255
      }
      store_block<partial>(y + c + j * kLanes, best[j], C);
      if (partial)
        store_first_indices(indices + c, tap[j], C);
      else
        store_indices(indices + c + j * kLanes, tap[j]);
    }
  }
};

template <class Index>
void max_row(const PoolShape& s, const float* image, int64_t p, bool relu,
             float* y, Index* indices) {
  const Span rows = pool_taps(p, s.stride_h, s.pad_top, s.R, s.H);
  const float* first_row =
      image + (p * s.stride_h - s.pad_top + rows.begin) * s.row_stride;
  for (int64_t q = 0; q < s.Q; q++, y += s.C, indices += s.C) {
    const Span columns = pool_taps(q, s.stride_w, s.pad_left, s.S, s.W);
    const float* x =
        first_row + (q * s.stride_w - s.pad_left + columns.begin) * s.C;
    MaxWindow<Index> window = {x,
                               s.row_stride,
                               s.C,
                               rows.end - rows.begin,
                               columns.end - columns.begin,
                               (int32_t)(rows.begin * s.S + columns.begin),
                               (int32_t)s.S,
                               relu,
                               y,
                               indices};
    if (window.rows == 2 && window.columns == 2) {
      window.rows = window.columns = 2;
      over_channels(s.C, window);
    } else {
      over_channels(s.C, window);
    }
  }
}

struct AvgWindow {
  const float* x;
  int64_t row_stride, C, rows, columns;
  float count;
  float* y;

  template <int vectors, bool partial>
  TW_INLINE void block(int64_t c) const {
    Vec sum[vectors] = {};
    for (int64_t r = 0; r < rows; r++) {
      Vec row_sum[vectors] = {};  // keeps the rounding of large windows small
      for (int64_t t = 0; t < columns; t++) {
        const float* p = x + r * row_stride + t * C + c;
        for (int j = 0; j < vectors; j++)
          row_sum[j] += load_block<partial>(p + j * kLanes, C);
      }
      for (int j = 0; j < vectors; j++) sum[j] += row_sum[j];
    }
    for (int j = 0; j < vectors; j++)
      store_block<partial>(y + c + j * kLanes, sum[j] / broadcast(count), C);
  }
};

void avg_row(const PoolShape& s, const float* image, int64_t p,
             bool count_include_pad, float* y) {
  const Span rows = pool_taps(p, s.stride_h, s.pad_top, s.R, s.H);
  const float* first_row =
      image + (p * s.stride_h - s.pad_top + rows.begin) * s.row_stride;
  for (int64_t q = 0; q < s.Q; q++, y += s.C) {
    const Span columns = pool_taps(q, s.stride_w, s.pad_left, s.S, s.W);
    const int64_t height = rows.end - rows.begin;
    const int64_t width = columns.end - columns.begin;
    const float* x =
        first_row + (q * s.stride_w - s.pad_left + columns.begin) * s.C;
    AvgWindow window = {
        x,     s.row_stride,
        s.C,   height,
        width, (float)(count_include_pad ? s.R * s.S : height * width),
        y};
    if (height == 2 && width == 2) {
      window.rows = window.columns = 2;
      over_channels(s.C, window);
    } else {
      over_channels(s.C, window);
    }
  }
}

// What a window passes to its taps: block() is loaded once, to() asked often.
template <class Index>
struct MaxGradient {
  const float* dy;
  const Index* indices;
  int64_t Q, C;

  struct Window {
    const float* dy;
    const Index* indices;
  };
  TW_INLINE Window window(int64_t p, int64_t q) const {
    const int64_t at = (p * Q + q) * C;
    return {dy + at, indices + at};
  }
  struct Block {
    Vec dy;
    VecInt index;
    TW_INLINE Vec to(int64_t tap) const {
      return from_bits(bits(dy) & (index == broadcast_int((int32_t)tap)));
    }
  };
  template <bool partial>
  TW_INLINE Block block(const Window& w, int64_t c) const {
    return {load_block<partial>(w.dy + c, C),
            partial ? load_first_indices(w.indices + c, C)
                    : load_indices(w.indices + c)};
  }
};

struct AvgGradient {
  const PoolShape& s;
  const float* dy;
  bool count_include_pad;

  struct Window {
    const float* dy;
    float weight;
  };
  TW_INLINE Window window(int64_t p, int64_t q) const {
    int64_t count = s.R * s.S;
    if (!count_include_pad) {
      const Span rows = pool_taps(p, s.stride_h, s.pad_top, s.R, s.H);
      const Span columns = pool_taps(q, s.stride_w, s.pad_left, s.S, s.W);
      count = (rows.end - rows.begin) * (columns.end - columns.begin);
    }
    return {dy + (p * s.Q + q) * s.C, 1.f / (float)count};
  }
  struct Block {
    Vec share;
    TW_INLINE Vec to(int64_t) const { return share; }
  };
  template <bool partial>
  TW_INLINE Block block(const Window& w, int64_t c) const {
    return {load_block<partial>(w.dy + c, s.C) * w.weight};
  }
};

// One window over the positions it owns.
template <class Gradient>
struct Spread {
  const Gradient& gradient;
  typename Gradient::Window window;
  int64_t row_stride, C, S;
  Span rows, columns;  // taps
  float* dx;           // tap 0, which may lie in the padding

  template <int vectors, bool partial>
  TW_INLINE void block(int64_t c) const {
    typename Gradient::Block passed[vectors];
    for (int j = 0; j < vectors; j++)
      passed[j] = gradient.template block<partial>(window, c + j * kLanes);
    for (int64_t r = rows.begin; r < rows.end; r++) {
      for (int64_t t = columns.begin; t < columns.end; t++) {
        float* p = dx + r * row_stride + t * C + c;
        for (int j = 0; j < vectors; j++)
          store_block<partial>(p + j * kLanes, passed[j].to(r * S + t), C);
      }
    }
  }
};

template <class Gradient>
void spread_row(const PoolShape& s, const Gradient& gradient, int64_t p,
                float* dx) {
  const Span owned = pool_owned(p, s.stride_h, s.pad_top, s.P, s.H);
  const int64_t top = p * s.stride_h - s.pad_top;
  const Span rows = pool_taps(p, s.stride_h, s.pad_top, s.R, s.H);
  for (int64_t q = 0; q < s.Q; q++) {
    const int64_t left = q * s.stride_w - s.pad_left;
    const Span columns = pool_taps(q, s.stride_w, s.pad_left, s.S, s.W);
    Spread<Gradient> spread = {
        gradient,     gradient.window(p, q),
        s.row_stride, s.C,
        s.S,          rows,
        columns,      dx + top * s.row_stride + left * s.C};
    if (rows.begin == 0 && rows.end == 2 && columns.begin == 0 &&
        columns.end == 2) {
      spread.rows = spread.columns = {0, 2};
      over_channels(s.C, spread);
    } else {
      over_channels(s.C, spread);
    }
    const int64_t gap = left + columns.end;
    const Span own = pool_owned(q, s.stride_w, s.pad_left, s.Q, s.W);
    if (gap < own.end)
      for (int64_t h = top + rows.begin; h < top + rows.end; h++)
        __builtin_memset(dx + h * s.row_stride + gap * s.C, 0,
                         (size_t)((own.end - gap) * s.C) * sizeof(float));
  }
  for (int64_t h = top + rows.end; h < owned.end; h++)
    __builtin_memset(dx + h * s.row_stride, 0,
                     (size_t)(s.W * s.C) * sizeof(float));
}

// One input position under the windows that cover it.
template <class Gradient>
struct Gather {
  const PoolShape& s;
  const Gradient& gradient;
  Span p, q;
  int64_t tap_of_0;  // tap of window (0, 0), were it to reach here
  float* dx;

  template <int vectors, bool partial>
  TW_INLINE void block(int64_t c) const {
    Vec sum[vectors] = {};
    for (int64_t i = p.begin; i < p.end; i++) {
      for (int64_t j = q.begin; j < q.end; j++) {
        const typename Gradient::Window window = gradient.window(i, j);
        const int64_t tap = tap_of_0 - i * s.stride_h * s.S - j * s.stride_w;
        for (int k = 0; k < vectors; k++)
          sum[k] +=
              gradient.template block<partial>(window, c + k * kLanes).to(tap);
      }
    }
    for (int k = 0; k < vectors; k++)
      store_block<partial>(dx + c + k * kLanes, sum[k], s.C);
  }
};

template <class Gradient>
void gather_row(const PoolShape& s, const Gradient& gradient, int64_t h,
                float* dx) {
  const Span p = pool_windows(h, s.stride_h, s.pad_top, s.R, s.P);
  for (int64_t w = 0; w < s.W; w++) {
    const Span q = pool_windows(w, s.stride_w, s.pad_left, s.S, s.Q);
    over_channels(s.C, Gather<Gradient>{s, gradient, p, q,
                                        (h + s.pad_top) * s.S + w + s.pad_left,
                                        dx + h * s.row_stride + w * s.C});
  }
}

template <class Gradient>
void backward(const PoolShape& s, const Gradient& gradient, int64_t row,
              float* dx) {
  if (s.overlapping())
    gather_row(s, gradient, row, dx);
  else
    spread_row(s, gradient, row, dx);
}

template <class Index>
void max_backward(const PoolShape& s, const float* dy, const Index* indices,
                  int64_t row, float* dx) {
  backward(s, MaxGradient<Index>{dy, indices, s.Q, s.C}, row, dx);
}

void avg_backward(const PoolShape& s, const float* dy, int64_t row,
                  bool count_include_pad, float* dx) {
  backward(s, AvgGradient{s, dy, count_include_pad}, row, dx);
}

}  // namespace

const PoolKernels kPoolKernels = {
    max_row<uint8_t>,      max_row<int32_t>,      avg_row,
    max_backward<uint8_t>, max_backward<int32_t>, avg_backward};

}  // namespace tw::cpu::TW_ISA
