// Which tile of the output a block computes.
#pragma once

#include "common/integers.h"
#include "cuda/device/dialect.hpp"

namespace tw::cuda {

// Tiles in bands of 8 rows, column by column within a band: blocks that run at
// the same time read few different rows and columns, which the L2 then holds.
struct TileGrid {
  unsigned rows, columns;  // of tiles

  // m and n below 2^31, of which there are then fewer tiles than 2^32 by far.
  TileGrid(int64_t m, int64_t n, int size) : TileGrid(m, n, size, size) {}
  TileGrid(int64_t m, int64_t n, int height, int width)
      : rows(static_cast<unsigned>(ceil_div(m, height))),
        columns(static_cast<unsigned>(ceil_div(n, width))) {}

  int64_t count() const { return int64_t{rows} * columns; }

  // The first row and column of a tile, of `size` outputs each way.
  __device__ __forceinline__ void place(unsigned tile, int size, int& row,
                                        int& column) const {
    place(tile, size, size, row, column);
  }
  __device__ __forceinline__ void place(unsigned tile, int tile_rows,
                                        int tile_columns, int& row,
                                        int& column) const {
    constexpr unsigned kBand = 8;
    const unsigned in_a_band = kBand * columns;
    const unsigned band = tile / in_a_band;
    const unsigned within = tile % in_a_band;
    const unsigned left = rows - band * kBand;
    const unsigned height = left < kBand ? left : kBand;
    row = static_cast<int>(band * kBand + within % height) * tile_rows;
    column = static_cast<int>(within / height) * tile_columns;
  }
};

// A tile of the ordinary units (simt.cuh), or what one of its threads has.
struct SimtTile {
  int rows, columns;
};

constexpr SimtTile simt_each(int rows, int columns) {
  const bool small = rows == 64;
  return {rows == 128 ? 8 : 4, columns == 16 || small ? 4 : 8};
}
constexpr int simt_threads(int rows, int columns) {
  const SimtTile each = simt_each(rows, columns);
  return rows / each.rows * (columns / each.columns);
}

// The parts into which a depth is cut where there are few tiles (split.cuh): as
// many blocks of 256 threads as keep a large device busy.
constexpr int64_t kEnoughTiles = 128;
constexpr int64_t kLeastDepth = 256;  // of a part
constexpr int64_t kMostSplits = 64;
constexpr int64_t kFew = 32;              // rows, or columns
constexpr int64_t kLeastDepthOfFew = 64;  // whose parts are small

// How many parts such a depth can have.
inline int64_t most_splits(int64_t depth, int64_t least = kLeastDepth) {
  const int64_t parts = depth / least;
  return parts < 1 ? 1 : parts < kMostSplits ? parts : kMostSplits;
}

// For `count` products of these sizes. 8 x 8 outputs a thread do more
// arithmetic for what they read, where there are enough tiles of them.
inline SimtTile simt_tile(int64_t m, int64_t n, int64_t depth, int64_t count) {
  if (m > 64 && n > 64 && TileGrid(m, n, 128).count() >= 64) return {128, 128};
  const int64_t blocks =
      TileGrid(m, n, 128, 64).count() * count * most_splits(depth);
  // Twice as many, as each is of half as many threads.
  if (m > 64 && n <= 64 && blocks >= 2 * kEnoughTiles) return {128, 64};
  return {64, 64};
}

// For a product of matrices, which may have few rows or columns: then the other
// operand is read once, and that takes longer than to multiply.
inline SimtTile simt_tile_of_matrices(int64_t m, int64_t n, int64_t depth) {
  if (n <= kFew && n <= m) return {128, 16};
  if (m <= kFew) return {16, 128};
  return simt_tile(m, n, depth, 1);
}

}  // namespace tw::cuda
