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

// The larger tile does more arithmetic for what it reads, where there are
// enough of them.
inline bool large_tiles(int64_t m, int64_t n) {
  return m > 64 && n > 64 && TileGrid(m, n, 128).count() >= 64;
}

}  // namespace tw::cuda
