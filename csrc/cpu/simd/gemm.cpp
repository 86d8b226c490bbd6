// The micro-kernels of csrc/cpu/microkernel.h for one instruction set. The
// compiler keeps the accumulators in registers because rows and vectors are
// template parameters and every loop over them unrolls.
#include "cpu/microkernel.h"
#include "cpu/simd.hpp"
#include "cpu/simd_math.hpp"

#define TW_UNROLL _Pragma("GCC unroll 16")

namespace tw::cpu::TW_ISA {
namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kMaxRows = 14, kMaxRowsWide = 6;
#else
constexpr int kMaxRows = 6, kMaxRowsWide = 3;
#endif

// `whole` where every column of the tile exists.
template <bool whole, bool streaming, int rows, int vectors>
TW_INLINE void store_tile(const TileEpilogue& e, Vec (&acc)[rows][vectors]) {
  TW_UNROLL for (int i = 0; i < rows; i++) {
    TW_UNROLL for (int j = 0; j < vectors; j++) {
      const int64_t left = e.width - j * kLanes;
      const int64_t lanes = left < 0 ? 0 : left < kLanes ? left : kLanes;
      const auto get = [&](const float* p) {
        return whole ? load(p) : load_first(p, lanes);
      };
      Vec v = acc[i][j];
      float* c = e.c[i] + j * kLanes;
      if (e.accumulate) v += get(c);
      if (e.bias) v += get(e.bias + j * kLanes);
      if (e.activation == Activation::relu) v = relu(v);
      if (streaming)
        stream(c, v);
      else if (whole)
        store(c, v);
      else
        store_first(c, v, lanes);
    }
  }
}

template <int rows, int vectors>
TW_INLINE void finish(const TileEpilogue& e, Vec (&acc)[rows][vectors]) {
  if (e.width != vectors * kLanes)
    store_tile<false, false>(e, acc);
  else if (e.streaming)
    store_tile<true, true>(e, acc);
  else
    store_tile<true, false>(e, acc);
  if (e.activation > Activation::relu)
    for (int i = 0; i < rows; i++) activate(e.activation, e.c[i], e.width);
}

// acc += a b, the outer product of a column and a row that all the
// micro-kernels repeat; a_of(i) is A's element for row i.
template <int rows, int vectors, class Element>
TW_INLINE void add_outer(Vec (&acc)[rows][vectors], const float* b,
                         Element a_of) {
  Vec b_vec[vectors];
  TW_UNROLL for (int j = 0; j < vectors; j++) b_vec[j] = load(b + j * kLanes);
  TW_UNROLL for (int i = 0; i < rows; i++) {
    const Vec a_vec = broadcast(a_of(i));
    TW_UNROLL for (int j = 0; j < vectors; j++)
      acc[i][j] = fma(a_vec, b_vec[j], acc[i][j]);
  }
}

template <int rows, int vectors>
void rows_tile(const RowsTile& t) {
  Vec acc[rows][vectors] = {};
  const float* const* pointers = t.a;
  for (int64_t run = 0; run < t.runs; run++, pointers += rows) {
    const float* a[rows];
    TW_UNROLL for (int i = 0; i < rows; i++) a[i] = pointers[i];
    const float* b = t.b[run];
    for (int64_t k = 0; k < t.depth; k++, b += t.b_step)
      add_outer(acc, b, [&](int i) { return a[i][k]; });
  }
  finish(t.epilogue, acc);
}

// Row i of A is reached from the pointer of its group of three by a scaled
// register, so that all rows' addresses fit in registers.
template <int rows, int vectors>
void strided_tile(const StridedTile& t) {
  constexpr int groups = (rows + 2) / 3;
  Vec acc[rows][vectors] = {};
  const int64_t stride = t.a_stride;
  const float* a[groups];
  TW_UNROLL for (int g = 0; g < groups; g++) a[g] = t.a + 3 * g * stride;
  const float* b = t.b;
  for (int64_t k = 0; k < t.depth; k++, b += t.b_step) {
    add_outer(acc, b, [&](int i) { return a[i / 3][i % 3 * stride]; });
    TW_UNROLL for (int g = 0; g < groups; g++) {
      a[g]++;
      // Else the compiler keeps a pointer a row, most of them in memory.
      asm("" : "+r"(a[g]));
    }
  }
  finish(t.epilogue, acc);
}

template <int rows, int vectors>
void columns_tile(const ColumnsTile& t) {
  Vec acc[rows][vectors] = {};
  for (int64_t run = 0; run < t.runs; run++) {
    const float* a = t.a[run];
    const float* b = t.b[run];
    for (int64_t k = 0; k < t.depth; k++, a += t.a_step, b += t.b_step)
      add_outer(acc, b, [&](int i) { return a[i]; });
  }
  finish(t.epilogue, acc);
}

template <int rows, int vectors>
void offsets_tile(const OffsetsTile& t) {
  Vec acc[rows][vectors] = {};
  const float* a[rows];
  TW_UNROLL for (int i = 0; i < rows; i++) a[i] = t.a[i];
  const float* b = t.b;
  for (int64_t k = 0; k < t.depth; k++, b += t.b_step) {
    const int64_t offset = t.offset[k];
    add_outer(acc, b, [&](int i) { return a[i][offset]; });
  }
  finish(t.epilogue, acc);
}

template <int rows, int vectors>
void offset_columns_tile(const OffsetColumnsTile& t) {
  Vec acc[rows][vectors] = {};
  int64_t offset[rows];
  TW_UNROLL for (int i = 0; i < rows; i++) offset[i] = t.offset[i];
  for (int64_t run = 0; run < t.runs; run++) {
    const float* a = t.a[run];
    const float* b = t.b[run];
    for (int64_t k = 0; k < t.depth; k++, a += t.a_step, b += t.b_step)
      add_outer(acc, b, [&](int i) { return a[offset[i]]; });
  }
  finish(t.epilogue, acc);
}

template <int rows, int vectors>
constexpr void fill(MicroKernels& table) {
  table.rows[vectors][rows] = rows_tile<rows, vectors>;
  table.strided[vectors][rows] = strided_tile<rows, vectors>;
  table.columns[vectors][rows] = columns_tile<rows, vectors>;
  if constexpr (vectors <= 2) {
    table.offsets[vectors][rows] = offsets_tile<rows, vectors>;
    table.offset_columns[vectors][rows] = offset_columns_tile<rows, vectors>;
  }
  if constexpr (rows > 1) fill<rows - 1, vectors>(table);
}

void fence() { stream_fence(); }

constexpr MicroKernels make_table() {
  MicroKernels table{};
  table.lanes = kLanes;
  table.max_rows = kMaxRows;
  table.max_rows_wide = kMaxRowsWide;
  table.fence = fence;
  fill<kMaxRows, 1>(table);
  fill<kMaxRows, 2>(table);
  fill<kMaxRowsWide, 4>(table);
  return table;
}

}  // namespace

const MicroKernels kMicroKernels = make_table();

}  // namespace tw::cpu::TW_ISA
