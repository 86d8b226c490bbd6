// Batch normalization over vectors of columns. Several rows are passed over at
// once: what belongs to a column is then loaded once for all of them. The sums
// of a column are added in the order of the rows, whatever the width of a
// vector.
#include "cpu/batch_norm_kernels.h"
#include "cpu/simd.hpp"

namespace tw::cpu::TW_ISA {
namespace {

constexpr int64_t kRows = 4;

// The columns of a vector: all, or the first n.
template <bool partial>
struct Columns {
  int64_t n;
  TW_INLINE Vec get(const float* p) const {
    return partial ? load_first(p, n) : load(p);
  }
  TW_INLINE void put(float* p, Vec v) const {
    partial ? store_first(p, v, n) : store(p, v);
  }
};

// body(column, columns) for all vectors of a row.
template <class Body>
TW_INLINE void over_columns(int64_t count, Body body) {
  int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes) body(j, Columns<false>{kLanes});
  if (j < count) body(j, Columns<true>{count - j});
}

// body(row, a constant number of rows) for all rows.
template <int64_t many>
struct Rows {
  static constexpr int64_t count = many;
};
template <int64_t many = kRows, class Body>
TW_INLINE void over_rows(int64_t count, Body body) {
  int64_t i = 0;
  for (; i + many <= count; i += many) body(i, Rows<many>{});
  for (; i < count; i++) body(i, Rows<1>{});
}

// Prefetches what comes after the rows at hand. With relu there is so much to
// be done for a vector that fewer loads are under way than memory could serve;
// without it prefetching costs more than it brings.
struct Ahead {
  int64_t distance;
  explicit Ahead(int64_t stride)
      : distance(kRows * stride < kFewest ? kFewest : kRows * stride) {}
  TW_INLINE void fetch(const float* x, const float* dy, int64_t at) const {
    __builtin_prefetch(x + at + distance);
    __builtin_prefetch(dy + at + distance);
  }
  static constexpr int64_t kFewest = 1024;
};

void clear(const NormSums& p) {
  over_columns(p.columns, [&](int64_t j, auto columns) {
    columns.put(p.first + j, Vec{});
    columns.put(p.second + j, Vec{});
  });
}

void set_pivots(const NormSums& p) {
  over_columns(p.columns, [&](int64_t j, auto columns) {
    Vec sum = {};
    for (int64_t i = 0; i < kPivotRows; i++)
      sum += columns.get(p.x + pivot_row(i, p.rows) * p.stride + j);
    const VecInt finite = sum - sum == Vec{};
    columns.put(p.pivot + j, select(finite, sum / (float)kPivotRows, Vec{}));
  });
}

void moments(const NormSums& problem) {
  const NormSums p = problem;  // no store can change a copy
  clear(p);
  set_pivots(p);
  over_rows(p.rows, [&](int64_t i, auto rows) {
    const float* x = p.x + i * p.stride;
    over_columns(p.columns, [&](int64_t j, auto columns) {
      const Vec pivot = columns.get(p.pivot + j);
      Vec first = columns.get(p.first + j), second = columns.get(p.second + j);
      for (int64_t r = 0; r < rows.count; r++) {
        const Vec d = columns.get(x + r * p.stride + j) - pivot;
        first += d;
        second = fma(d, d, second);
      }
      columns.put(p.first + j, first);
      columns.put(p.second + j, second);
    });
  });
}

// What belongs to a vector of columns in the forward direction.
struct Affine {
  Vec mean, scale, shift;
  template <class Problem, class Columns>
  TW_INLINE Affine(const Problem& p, int64_t j, Columns columns, bool whole)
      : mean(columns.get(p.mean + j)), scale(), shift() {
    if (whole) scale = columns.get(p.scale + j);
    if (whole) shift = columns.get(p.shift + j);
  }
  TW_INLINE Vec of(Vec x) const { return fma(x - mean, scale, shift); }
  // dy where relu let x through, and where it is NaN.
  TW_INLINE Vec passed(Vec dy, Vec x) const {
    return from_bits(bits(dy) & ~(of(x) <= Vec{}));
  }
};

// Past the caches one stream of stores is faster than several.
constexpr int64_t rows_at_once(bool streaming) { return streaming ? 1 : kRows; }

template <bool with_relu, bool streaming>
void normalize_rows(const NormRows& problem) {
  const NormRows p = problem;
  over_rows<rows_at_once(streaming)>(p.rows, [&](int64_t i, auto rows) {
    const float* x = p.x + i * p.columns;
    float* y = p.out + i * p.columns;
    over_columns(p.columns, [&](int64_t j, auto columns) {
      const Affine affine(p, j, columns, true);
      for (int64_t r = 0; r < rows.count; r++) {
        const int64_t at = r * p.columns + j;
        Vec v = affine.of(columns.get(x + at));
        if (with_relu) v = relu(v);
        streaming ? stream(y + at, v) : columns.put(y + at, v);
      }
    });
  });
  if (streaming) stream_fence();
}

template <bool with_relu>
void normalize(const NormRows& p) {
  p.streaming ? normalize_rows<with_relu, true>(p)
              : normalize_rows<with_relu, false>(p);
}

template <bool with_relu>
void gradient_sums(const NormSums& problem) {
  const NormSums p = problem;
  clear(p);
  const Ahead ahead(p.stride);
  over_rows(p.rows, [&](int64_t i, auto rows) {
    const float* x = p.x + i * p.stride;
    const float* dy = p.dy + i * p.stride;
    over_columns(p.columns, [&](int64_t j, auto columns) {
      const Affine affine(p, j, columns, with_relu);
      Vec first = columns.get(p.first + j), second = columns.get(p.second + j);
      for (int64_t r = 0; r < rows.count; r++) {
        if (with_relu) ahead.fetch(x, dy, r * p.stride + j);
        const Vec value = columns.get(x + r * p.stride + j);
        Vec d = columns.get(dy + r * p.stride + j);
        if (with_relu) d = affine.passed(d, value);
        first += d;
        second = fma(d, value - affine.mean, second);
      }
      columns.put(p.first + j, first);
      columns.put(p.second + j, second);
    });
  });
}

template <bool with_relu, bool training, bool streaming>
void gradient_rows(const NormRows& problem) {
  const NormRows p = problem;
  const Ahead ahead(p.columns);
  over_rows<rows_at_once(streaming)>(p.rows, [&](int64_t i, auto rows) {
    const float* x = p.x + i * p.columns;
    const float* dy = p.dy + i * p.columns;
    float* dx = p.out + i * p.columns;
    over_columns(p.columns, [&](int64_t j, auto columns) {
      const Affine affine(p, j, columns, with_relu);
      const Vec a = columns.get(p.a + j);
      Vec b = {}, c = {};
      if (training) b = columns.get(p.b + j), c = columns.get(p.c + j);
      for (int64_t r = 0; r < rows.count; r++) {
        const int64_t at = r * p.columns + j;
        if (with_relu) ahead.fetch(x, dy, at);
        Vec value = {};
        if (training || with_relu) value = columns.get(x + at);
        Vec d = columns.get(dy + at);
        if (with_relu) d = affine.passed(d, value);
        const Vec v =
            training ? fma(d, a, fma(value - affine.mean, b, c)) : d * a;
        streaming ? stream(dx + at, v) : columns.put(dx + at, v);
      }
    });
  });
  if (streaming) stream_fence();
}

template <bool with_relu, bool training>
void gradient(const NormRows& p) {
  p.streaming ? gradient_rows<with_relu, training, true>(p)
              : gradient_rows<with_relu, training, false>(p);
}

}  // namespace

const BatchNormKernels kBatchNormKernels = {moments,
                                            normalize<false>,
                                            normalize<true>,
                                            gradient_sums<false>,
                                            gradient_sums<true>,
                                            gradient<false, true>,
                                            gradient<true, true>,
                                            gradient<false, false>,
                                            gradient<true, false>};

}  // namespace tw::cpu::TW_ISA
