// A copy between arrays of any strides: transposition of axes, repetition
// along them, a part put into its place in a whole.
#pragma once

#include "cpu/strided.h"

namespace tw::cpu {

struct StridedCopy {
  StridedGrid<2> grid;  // of x and of y, which do not overlap
  const float* x;
  float* y;
};

void strided_copy(const StridedCopy& problem);

}  // namespace tw::cpu
