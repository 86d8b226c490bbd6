// Which tile of the output a block computes.
#pragma once

#include "common/integers.h"
#include "cuda/device/dialect.hpp"

namespace tw::cuda {

// Tiles in bands of 8 rows, column by column within a band: blocks that run at
// the same time read few different rows and columns, which the L2 then holds.
struct TileGrid {
  int64_t rows, columns;  // of tiles

  TileGrid(int64_t m, int64_t n, int size)
      : rows(ceil_div(m, size)), columns(ceil_div(n, size)) {}

  int64_t count() const { return rows * columns; }

  __device__ __forceinline__ void place(int64_t tile, int64_t& row,
                                        int64_t& column) const {
    constexpr int64_t kBand = 8;
    const int64_t band = tile / (kBand * columns);
    const int64_t within = tile % (kBand * columns);
    const int64_t left = rows - band * kBand;
    const int64_t height = left < kBand ? left : kBand;
    row = band * kBand + within % height;
    column = within / height;
  }
};

// The larger tile does more arithmetic for what it reads, where there are
// enough of them.
inline bool large_tiles(int64_t m, int64_t n) {
  return m > 64 && n > 64 && TileGrid(m, n, 128).count() >= 64;
}

}  // namespace tw::cuda
