// A grid of elements that several arrays are read or written over, each by
// strides of its own: 0 where an array repeats along an axis.
#pragma once

#include <cstdint>

namespace tw::cpu {

constexpr int kMaxAxes = 8;

template <int arrays>
struct StridedGrid {
  int axes = 0;
  int64_t shape[kMaxAxes];
  int64_t strides[arrays][kMaxAxes];  // in elements

  // Adds an inner axis. Axes of extent 1 are left out, and one that goes on
  // where the axis before it ends, in all arrays, becomes a part of it.
  void add(int64_t extent, const int64_t (&stride)[arrays]) {
    if (extent == 1) return;
    bool goes_on = axes > 0;
    for (int i = 0; goes_on && i < arrays; i++)
      goes_on = strides[i][axes - 1] == stride[i] * extent;
    if (!goes_on) shape[axes++] = 1;
    shape[axes - 1] *= extent;
    for (int i = 0; i < arrays; i++) strides[i][axes - 1] = stride[i];
  }

  int64_t rows() const {
    int64_t result = 1;
    for (int axis = 0; axis < axes - 1; axis++) result *= shape[axis];
    return result;
  }
  int64_t columns() const { return axes ? shape[axes - 1] : 1; }

  // body(offsets, rows) for each run of rows [begin, end) that lie at constant
  // distances: offsets[i] is where the run begins in array i.
  template <class Body>
  void over_rows(int64_t begin, int64_t end, Body body) const {
    const int64_t inner = axes > 1 ? shape[axes - 2] : 1;
    while (begin < end) {
      const int64_t left = inner - begin % inner;
      const int64_t rows = left < end - begin ? left : end - begin;
      int64_t offsets[arrays] = {};
      int64_t rest = begin;
      for (int axis = axes - 2; axis >= 0; axis--) {
        for (int i = 0; i < arrays; i++)
          offsets[i] += rest % shape[axis] * strides[i][axis];
        rest /= shape[axis];
      }
      body(offsets, rows);
      begin += rows;
    }
  }

  // Distances of rows and of columns in array i.
  int64_t row_stride(int i) const {
    return axes > 1 ? strides[i][axes - 2] : 0;
  }
  int64_t column_stride(int i) const { return axes ? strides[i][axes - 1] : 1; }
};

}  // namespace tw::cpu
