// Arrays of any strides: copies, and the four operations with broadcasting.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/stream.h"

namespace tw::cuda {

using Extents = std::vector<int64_t>;

enum class Operation { add, subtract, multiply, divide };

// An array, or a number where data is null.
struct Operand {
  const float* data;
  float number;
  Extents strides;  // in elements, 0 along axes that repeat it
};

// y = a op b; y is in C order and may be a or b where these are too.
struct Arithmetic {
  Operation kind;
  Extents shape;
  Operand a, b;
  float* y;
};

struct StridedCopy {
  Extents shape;
  const float* src;
  Extents src_strides;
  float* dst;
  Extents dst_strides;
};

// Throw std::invalid_argument where there are 2^31 elements or more, or more
// than eight axes that cannot be taken as one with their neighbours.
void arithmetic(const Arithmetic& problem, Stream stream);
void strided_copy(const StridedCopy& problem, Stream stream);

}  // namespace tw::cuda
