// Streamed: a block of B's rows is added to C at a time, C staying in L1; the
// block's rows are as many streams as hardware prefetchers follow, and as many
// of A's numbers as registers hold. Dots: four rows of B against the same A.
#include "cpu/gemm_few_rows.h"

#include "cpu/simd.hpp"
#include "cpu/simd_math.hpp"

#define TW_UNROLL _Pragma("GCC unroll 8")

namespace tw::cpu::TW_ISA {
namespace {

// Adds `depth` rows of B, from k on, to columns [j, j + lanes).
template <bool whole, int rows, int depth>
TW_INLINE void add_vector(const FewRows& t, const Vec (&a)[rows][depth],
                          const float* b, int64_t j, int64_t lanes,
                          bool first) {
  Vec sum[rows] = {};
  TW_UNROLL for (int k = 0; k < depth; k++) {
    const float* from = b + k * t.b_step + j;
    const Vec v = whole ? load(from) : load_first(from, lanes);
    TW_UNROLL for (int i = 0; i < rows; i++) sum[i] = fma(a[i][k], v, sum[i]);
  }
  TW_UNROLL for (int i = 0; i < rows; i++) {
    float* c = t.c + i * t.c_row + j;
    if (!first) sum[i] += whole ? load(c) : load_first(c, lanes);
    if (whole)
      store(c, sum[i]);
    else
      store_first(c, sum[i], lanes);
  }
}

template <int rows, int depth>
TW_INLINE void add_rows(const FewRows& t, int64_t k, bool first) {
  Vec a[rows][depth];
  TW_UNROLL for (int i = 0; i < rows; i++) {
    TW_UNROLL for (int q = 0; q < depth; q++)
      a[i][q] = broadcast(t.a[i * t.a_row + (k + q) * t.a_step]);
  }
  const float* b = t.b + k * t.b_step;
  int64_t j = 0;
  for (; j + kLanes <= t.columns; j += kLanes)
    add_vector<true, rows, depth>(t, a, b, j, kLanes, first);
  if (j < t.columns)
    add_vector<false, rows, depth>(t, a, b, j, t.columns - j, first);
}

void finish(const FewRows& t) {
  for (int i = 0; i < t.rows; i++) {
    float* c = t.c + i * t.c_row;
    for (int64_t j = 0; t.bias && j < t.columns; j += kLanes) {
      const int64_t left = t.columns - j;
      const int64_t lanes = left < kLanes ? left : kLanes;
      store_first(c + j, load_first(c + j, lanes) + load_first(t.bias + j, lanes),
                  lanes);
    }
    if (t.activation != Activation::none) activate(t.activation, c, t.columns);
  }
}

template <int rows>
void streamed_rows(const FewRows& t) {
#if defined(__AVX512F__) || defined(__aarch64__)
  constexpr int block = rows <= 2 ? 8 : 4;
#else
  constexpr int block = rows == 1 ? 8 : rows == 2 ? 4 : 2;
#endif
  bool first = !t.accumulate;
  int64_t k = 0;
  for (; k + block <= t.depth; k += block, first = false)
    add_rows<rows, block>(t, k, first);
  for (; k < t.depth; k++, first = false) add_rows<rows, 1>(t, k, first);
  if (first)
    for (int i = 0; i < rows; i++)
      __builtin_memset(t.c + i * t.c_row, 0,
                       (size_t)t.columns * sizeof(float));
  finish(t);
}

void streamed(const FewRows& t) {
  switch (t.rows) {
    case 1: return streamed_rows<1>(t);
    case 2: return streamed_rows<2>(t);
    case 3: return streamed_rows<3>(t);
    default: return streamed_rows<4>(t);
  }
}

// `columns` rows of B, from j on.
template <int rows, int columns>
TW_INLINE void dot_columns(const FewRows& t, int64_t j) {
  Vec sum[rows][columns] = {};
  const float* b = t.b + j * t.b_step;
  for (int64_t k = 0; k < t.depth; k += kLanes) {
    const int64_t left = t.depth - k;
    Vec v[columns];
    TW_UNROLL for (int c = 0; c < columns; c++)
      v[c] = left >= kLanes ? load(b + c * t.b_step + k)
                            : load_first(b + c * t.b_step + k, left);
    TW_UNROLL for (int i = 0; i < rows; i++) {
      const float* from = t.a + i * t.a_row + k;
      const Vec a = left >= kLanes ? load(from) : load_first(from, left);
      TW_UNROLL for (int c = 0; c < columns; c++)
        sum[i][c] = fma(a, v[c], sum[i][c]);
    }
  }
  for (int i = 0; i < rows; i++)
    for (int c = 0; c < columns; c++) {
      float* to = t.c + i * t.c_row + j + c;
      *to = (t.accumulate ? *to : 0.f) + reduce_add(sum[i][c]);
    }
}

template <int rows>
void dots_rows(const FewRows& t) {
  int64_t j = 0;
  for (; j + 4 <= t.columns; j += 4) dot_columns<rows, 4>(t, j);
  for (; j < t.columns; j++) dot_columns<rows, 1>(t, j);
  finish(t);
}

void dots(const FewRows& t) {
  switch (t.rows) {
    case 1: return dots_rows<1>(t);
    case 2: return dots_rows<2>(t);
    case 3: return dots_rows<3>(t);
    default: return dots_rows<4>(t);
  }
}

}  // namespace

const FewRowsKernels kFewRowsKernels = {streamed, dots};

}  // namespace tw::cpu::TW_ISA
