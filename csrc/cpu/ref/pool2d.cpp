// Pooling as its definition says it.
#include <cmath>
#include <limits>

#include "cpu/pool2d_kernels.h"

namespace tw::cpu::ref {
namespace {

template <class Index>
void max_row(const PoolShape& s, const float* image, int64_t p, bool relu,
             float* y, Index* indices) {
  const Span rows = pool_taps(p, s.stride_h, s.pad_top, s.R, s.H);
  for (int64_t q = 0; q < s.Q; q++) {
    const Span columns = pool_taps(q, s.stride_w, s.pad_left, s.S, s.W);
    for (int64_t c = 0; c < s.C; c++) {
      float best = -std::numeric_limits<float>::infinity();
      int64_t tap = rows.begin * s.S + columns.begin;
      for (int64_t r = rows.begin; r < rows.end; r++) {
        for (int64_t t = columns.begin; t < columns.end; t++) {
          const int64_t h = p * s.stride_h - s.pad_top + r;
          const int64_t w = q * s.stride_w - s.pad_left + t;
          const float v = image[h * s.row_stride + w * s.C + c];
          if (v > best || (std::isnan(v) && !std::isnan(best))) {
            best = v;
            tap = r * s.S + t;
          }
        }
      }
      const bool killed = relu && best <= 0;
      y[q * s.C + c] = killed ? 0 : best;
      indices[q * s.C + c] = static_cast<Index>(killed ? -1 : tap);
    }
  }
}

int64_t divisor(const PoolShape& s, int64_t p, int64_t q,
                bool count_include_pad) {
  if (count_include_pad) return s.R * s.S;
  const Span rows = pool_taps(p, s.stride_h, s.pad_top, s.R, s.H);
  const Span columns = pool_taps(q, s.stride_w, s.pad_left, s.S, s.W);
  return (rows.end - rows.begin) * (columns.end - columns.begin);
}

void avg_row(const PoolShape& s, const float* image, int64_t p,
             bool count_include_pad, float* y) {
  const Span rows = pool_taps(p, s.stride_h, s.pad_top, s.R, s.H);
  for (int64_t q = 0; q < s.Q; q++) {
    const Span columns = pool_taps(q, s.stride_w, s.pad_left, s.S, s.W);
    const auto count = static_cast<float>(divisor(s, p, q, count_include_pad));
    for (int64_t c = 0; c < s.C; c++) {
      float sum = 0;
      for (int64_t r = rows.begin; r < rows.end; r++) {
        float row_sum = 0;  // keeps the rounding of large windows small
        for (int64_t t = columns.begin; t < columns.end; t++) {
          const int64_t h = p * s.stride_h - s.pad_top + r;
          const int64_t w = q * s.stride_w - s.pad_left + t;
          row_sum += image[h * s.row_stride + w * s.C + c];
        }
        sum += row_sum;
      }
      y[q * s.C + c] = sum / count;
    }
  }
}

// dx of one input row: every window over a position adds what it passes on.
template <class Passes>
void backward_input_row(const PoolShape& s, int64_t h, float* dx,
                        Passes passes) {
  const Span p = pool_windows(h, s.stride_h, s.pad_top, s.R, s.P);
  for (int64_t w = 0; w < s.W; w++) {
    const Span q = pool_windows(w, s.stride_w, s.pad_left, s.S, s.Q);
    for (int64_t c = 0; c < s.C; c++) {
      float sum = 0;
      for (int64_t i = p.begin; i < p.end; i++) {
        for (int64_t j = q.begin; j < q.end; j++) {
          const int64_t r = h + s.pad_top - i * s.stride_h;
          const int64_t t = w + s.pad_left - j * s.stride_w;
          sum += passes(i, j, c, r * s.S + t);
        }
      }
      dx[h * s.row_stride + w * s.C + c] = sum;
    }
  }
}

template <class Passes>
void backward_rows(const PoolShape& s, int64_t row, float* dx, Passes passes) {
  const Span rows = s.overlapping()
                        ? Span{row, row + 1}
                        : pool_owned(row, s.stride_h, s.pad_top, s.P, s.H);
  for (int64_t h = rows.begin; h < rows.end; h++)
    backward_input_row(s, h, dx, passes);
}

template <class Index>
void max_backward(const PoolShape& s, const float* dy, const Index* indices,
                  int64_t row, float* dx) {
  backward_rows(s, row, dx, [&](int64_t p, int64_t q, int64_t c, int64_t tap) {
    const int64_t at = (p * s.Q + q) * s.C + c;
    return indices[at] == tap ? dy[at] : 0.f;
  });
}

void avg_backward(const PoolShape& s, const float* dy, int64_t row,
                  bool count_include_pad, float* dx) {
  backward_rows(s, row, dx, [&](int64_t p, int64_t q, int64_t c, int64_t) {
    return dy[(p * s.Q + q) * s.C + c] /
           static_cast<float>(divisor(s, p, q, count_include_pad));
  });
}

}  // namespace

const PoolKernels kPoolKernels = {
    max_row<uint8_t>,      max_row<int32_t>,      avg_row,
    max_backward<uint8_t>, max_backward<int32_t>, avg_backward};

}  // namespace tw::cpu::ref
