// The tiles of a Winograd convolution, and what lies under one of them.
// Included by conv2d_winograd.cpp and conv2d_winograd_backward_weight.cpp
// alone.
#pragma once

#include <algorithm>
#include <cstring>

#include "common/integers.h"
#include "cpu/conv2d_winograd_kernels.h"

namespace tw::cpu {

// Of an output of n images of p x q pixels, m x m each; the last of a row or of
// a column may overhang.
class WinogradTiles {
 public:
  struct Tile {
    int64_t n, top, left;
  };

  WinogradTiles(int64_t n, int64_t p, int64_t q, int m)
      : m_(m),
        rows_(ceil_div(p, m)),
        columns_(ceil_div(q, m)),
        count_(n * rows_ * columns_) {}

  int64_t count() const { return count_; }
  Tile operator[](int64_t index) const {
    return {index / columns_ / rows_, index / columns_ % rows_ * m_,
            index % columns_ * m_};
  }

 private:
  int64_t m_, rows_, columns_, count_;
};

// A rectangle of an image, zero outside of it, copied where it overhangs.
inline SourceGrid cut_out(const float* image, int64_t h, int64_t w, int64_t c,
                          int64_t top, int64_t left, int64_t side,
                          float* copy) {
  const int64_t row = w * c;
  if (top >= 0 && left >= 0 && top + side <= h && left + side <= w)
    return {image + top * row + left * c, row, c};
  for (int64_t i = 0; i < side * side; i++) {
    const int64_t y = top + i / side, x = left + i % side;
    float* to = copy + i * c;
    if (y >= 0 && y < h && x >= 0 && x < w)
      std::memcpy(to, image + y * row + x * c,
                  static_cast<size_t>(c) * sizeof(float));
    else
      std::fill_n(to, c, 0.0f);
  }
  return {copy, side * c, c};
}

// Asks for the part of that rectangle which the image has whole.
inline void prefetch_out(const float* image, int64_t h, int64_t w, int64_t c,
                         int64_t top, int64_t left, int64_t rows,
                         int64_t columns) {
  if (top < 0 || left < 0 || top + rows > h || left + columns > w) return;
  const float* from = image + (top * w + left) * c;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < columns * c; i += 16)
      __builtin_prefetch(from + r * w * c + i);
}

}  // namespace tw::cpu
