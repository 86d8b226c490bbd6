// The gradient of a convolution's input without the taps that meet nothing.
//
// With a stride s an input row meets those taps alone that some output is
// centred for: of dilation d, every (s / gcd(s, d))-th. Which, the rows of one
// remainder modulo s have in common: they are a phase, and among them the
// gradient is that of a convolution of stride 1. Columns likewise; a pair of
// phases is a product of its own, with its own taps for depth.
#pragma once

#include <numeric>

#include "common/integers.h"
#include "cuda/conv2d/geometry.cuh"

namespace tw::cuda {

// Rows (or columns) of all phases.
struct GradientAxis {
  int size, taps, stride, pad, dilation;
  int phases, most;           // of them, and of the rows of one
  int tap_step, output_step;  // from a tap to the phase's next
  Divider by_stride, by_tap_step, by_many, by_few;  // numbers of taps

  GradientAxis() = default;
  GradientAxis(int64_t size, int64_t taps, int64_t stride, int64_t pad,
               int64_t dilation)
      : size(static_cast<int>(size)),
        taps(static_cast<int>(taps)),
        stride(static_cast<int>(stride)),
        pad(static_cast<int>(pad)),
        dilation(static_cast<int>(dilation)) {
    const int common = std::gcd(this->stride, this->dilation);
    phases = this->stride < this->size ? this->stride : this->size;
    most = static_cast<int>(ceil_div(size, stride));
    tap_step = this->stride / common;
    output_step = this->dilation / common;
    by_stride = Divider(stride);
    by_tap_step = Divider(tap_step);
    by_many = Divider(most_taps());
    by_few = Divider(most_taps() > 1 ? most_taps() - 1 : 1);
  }
  int most_taps() const { return (taps + tap_step - 1) / tap_step; }
};

// Rows (or columns) of one phase: number i is row `phase + i * stride`, and its
// j-th tap, number `first_tap + j * tap_step`, meets the output row
// `first_output + i - j * output_step`, where there is one.
struct GradientAxisPhase {
  int phase, first_tap, taps, first_output;
  Divider by_taps;

  GradientAxisPhase() = default;
  __device__ __forceinline__ GradientAxisPhase(const GradientAxis& a, int phase)
      : phase(phase), first_tap(0), taps(0), first_output(0) {
    // Of tap_step neighbouring taps one meets outputs, or none does.
    const int end = a.tap_step < a.taps ? a.tap_step : a.taps;
    for (; first_tap < end; first_tap++) {
      const int shifted = phase + a.pad - first_tap * a.dilation;
      int rest;
      // Of a negative number too, rounded down.
      const int output = shifted >= 0
                             ? a.by_stride.split(shifted, rest)
                             : -1 - a.by_stride.split(-1 - shifted, rest);
      if (rest != (shifted >= 0 ? 0 : a.stride - 1)) continue;
      first_output = output;
      taps = a.by_tap_step.quotient(a.taps - 1 - first_tap) + 1;
      break;
    }
    by_taps = taps * a.tap_step >= a.taps ? a.by_many : a.by_few;
    if (taps == 0) first_tap = 0;
  }
};

struct GradientPhase {
  GradientAxisPhase rows, columns;
};

struct GradientGeometry {
  int n, h, w, p, q, k, s, group_c, group_k;
  GradientAxis rows, columns;
  Divider by_group_k, by_most_columns, by_most, by_phase_columns, by_tiles;

  GradientGeometry() = default;
  GradientGeometry(const ConvShape& d, int64_t tiles_of_a_phase)
      : n(static_cast<int>(d.n)),
        h(static_cast<int>(d.h)),
        w(static_cast<int>(d.w)),
        p(static_cast<int>(d.p)),
        q(static_cast<int>(d.q)),
        k(static_cast<int>(d.k)),
        s(static_cast<int>(d.s)),
        group_c(static_cast<int>(d.group_c())),
        group_k(static_cast<int>(d.group_k())),
        rows(d.h, d.r, d.stride_h, d.pad_top, d.dilation_h),
        columns(d.w, d.s, d.stride_w, d.pad_left, d.dilation_w),
        by_group_k(d.group_k()),
        by_most_columns(columns.most),
        by_most(int64_t{rows.most} * columns.most),
        by_phase_columns(columns.phases),
        by_tiles(tiles_of_a_phase) {
    expect_countable(d);
  }

  int64_t phases() const { return int64_t{rows.phases} * columns.phases; }
  int64_t rows_of_a_phase() const {
    return int64_t{n} * rows.most * columns.most;
  }
  int64_t depth_of_a_phase() const {
    return int64_t{rows.most_taps()} * columns.most_taps() * group_k;
  }

  // The phase of a block, and its tile among the phase's.
  __device__ __forceinline__ GradientPhase phase_of(unsigned block,
                                                    unsigned& tile) const {
    int of_these, column;
    const int phase = by_tiles.split(static_cast<int>(block), of_these);
    tile = static_cast<unsigned>(of_these);
    const int row = by_phase_columns.split(phase, column);
    return {GradientAxisPhase(rows, row), GradientAxisPhase(columns, column)};
  }
  // Image, and row and column among the phase's, of a product's row; false
  // where there is none, as phases have the rows of the largest.
  __device__ __forceinline__ bool find(int span, const GradientPhase& phase,
                                       int& image, int& i, int& j) const {
    int rest;
    image = by_most.split(span, rest);
    i = by_most_columns.split(rest, j);
    return image < n && phase.rows.phase + i * rows.stride < h &&
           phase.columns.phase + j * columns.stride < w;
  }
  // The input pixel of a product's row, -1 where there is none.
  __device__ __forceinline__ int pixel(int span,
                                       const GradientPhase& phase) const {
    int image, i, j;
    if (!find(span, phase, image, i, j)) return -1;
    const int row = phase.rows.phase + i * rows.stride;
    return (image * h + row) * w + phase.columns.phase + j * columns.stride;
  }
};

}  // namespace tw::cuda
