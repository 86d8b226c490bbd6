// The register-tiled multiply that gemm and conv2d stand on: a tile of up to
// max_rows x (vectors * lanes) of C stays in registers while a batch of short
// products ("runs") is added up, C[i, :] += sum_r sum_k A_r[i, k] * B_r[k, :].
// A run is a K block of a matrix, a filter tap of a convolution, or an output
// row of its weight gradient; with a pointer for each, no im2col is ever stored
// (the batch-reduce GEMM of Georganas et al., "Harnessing Deep Learning via a
// Single Building Block", IPDPS 2020; the indirection buffer of Dukhan, "The
// Indirect Convolution Algorithm", arXiv:1907.02129).
//
// Tile: 14 x 2 vectors where there are 32 registers (28 accumulators, 2 of B, 1
// broadcast), 6 x 2 where there are 16; 4 vectors wide for few rows, where the
// latency of FMA would else leave the units idle.
#pragma once

#include <cstdint>

#include "cpu/activation.h"

namespace tw::cpu {

// What happens to the finished tile: c = activation(acc + [c] + [bias]).
struct TileEpilogue {
  float* const* c;    // a pointer to the first column of each row
  int64_t width;      // columns that exist, 1..vectors * lanes
  const float* bias;  // null: none
  bool accumulate;    // add what c holds
  Activation activation;
  // Full tiles go past the caches, in whole aligned vectors: for results too
  // large to be found there later. Call fence() before others read them.
  bool streaming = false;
};

// A by rows: A_r[i, k] = a[r * rows + i][k].
struct RowsTile {
  int64_t runs, depth;
  const float* const* a;
  const float* const* b;  // B_r[k, :] = b[r] + k * b_step
  int64_t b_step;
  TileEpilogue epilogue;
};

// A by rows that are equally far apart: A[i, k] = a[i * a_stride + k]. One run.
struct StridedTile {
  int64_t depth;
  const float* a;
  int64_t a_stride;
  const float* b;
  int64_t b_step;
  TileEpilogue epilogue;
};

// A by columns: A_r[i, k] = a[r][k * a_step + i].
struct ColumnsTile {
  int64_t runs, depth;
  const float* const* a;
  int64_t a_step;
  const float* const* b;
  int64_t b_step;
  TileEpilogue epilogue;
};

// A by rows, at places that all rows share: A[i, k] = a[i][offset[k]]. One run.
struct OffsetsTile {
  int64_t depth;
  const float* const* a;
  const int32_t* offset;
  const float* b;
  int64_t b_step;
  TileEpilogue epilogue;
};

// A by columns, at places that all of them share: A_r[i, k] =
// a[r][k * a_step + offset[i]].
struct OffsetColumnsTile {
  int64_t runs, depth;
  const float* const* a;
  int64_t a_step;
  const int32_t* offset;
  const float* const* b;
  int64_t b_step;
  TileEpilogue epilogue;
};

constexpr int kMaxTileRows = 14;

// Kernels by vectors of width (1, 2, 4; index 0 and 3 are empty) and rows.
// B must be readable to the full vectors * lanes columns.
struct MicroKernels {
  int lanes;
  int max_rows;       // of the kernels 1 and 2 vectors wide
  int max_rows_wide;  // of those 4 wide
  void (*fence)();
  void (*rows[5][kMaxTileRows + 1])(const RowsTile&);
  void (*strided[5][kMaxTileRows + 1])(const StridedTile&);
  void (*columns[5][kMaxTileRows + 1])(const ColumnsTile&);
  void (*offsets[3][kMaxTileRows + 1])(const OffsetsTile&);
  void (*offset_columns[3][kMaxTileRows + 1])(const OffsetColumnsTile&);
};

#if defined(__x86_64__)
namespace avx512 {
extern const MicroKernels kMicroKernels;
}
namespace avx2 {
extern const MicroKernels kMicroKernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const MicroKernels kMicroKernels;
}
#endif

// A row stride of an odd number of cache lines spreads rows over all sets.
inline int64_t spread(int64_t floats) {
  constexpr int64_t line = 16;
  return ((floats + line - 1) / line | 1) * line;
}

// A tile of C is asked for before its product is begun, not when that is done.
inline void prefetch_tile(float* const* c, int rows, int64_t width) {
  for (int i = 0; i < rows; i++)
    for (int64_t j = 0; j < width; j += 16) __builtin_prefetch(c[i] + j, 1);
}

// Cuts `rows` into the fewest tiles of at most `max_rows`, as even as can be:
// 15 rows are 8 + 7, not 14 + 1.
struct RowTiles {
  RowTiles(int64_t rows, int max_rows)
      : count((rows + max_rows - 1) / max_rows), rows_(rows) {}
  int64_t begin(int64_t tile) const { return rows_ * tile / count; }
  int size(int64_t tile) const {
    return static_cast<int>(begin(tile + 1) - begin(tile));
  }
  int64_t count;

 private:
  int64_t rows_;
};

// c (channels x columns) [+]= a^T b over `depth` rows of both; rows of b are
// readable to full vectors.
struct TransposedProduct {
  int64_t depth, channels, columns;
  const float* a;
  int64_t a_row;
  const float* b;
  int64_t b_row;
  float* c;
  int64_t c_row;
  bool accumulate;
};

inline void add_transposed_product(const MicroKernels& mk,
                                   const TransposedProduct& p) {
  const RowTiles tiles(p.channels, mk.max_rows);
  for (int64_t j = 0; j < p.columns; j += 2 * mk.lanes) {
    const int64_t left = p.columns - j;
    const int64_t width = left < 2 * mk.lanes ? left : 2 * mk.lanes;
    const float* b = p.b + j;
    for (int64_t t = 0; t < tiles.count; t++) {
      const int rows = tiles.size(t);
      const float* a = p.a + tiles.begin(t);
      float* c[kMaxTileRows];
      for (int i = 0; i < rows; i++)
        c[i] = p.c + (tiles.begin(t) + i) * p.c_row + j;
      prefetch_tile(c, rows, width);
      mk.columns[width <= mk.lanes ? 1 : 2][rows](
          {1,
           p.depth,
           &a,
           p.a_row,
           &b,
           p.b_row,
           {c, width, nullptr, p.accumulate, Activation::none}});
    }
  }
}

}  // namespace tw::cpu
