// What the elementwise driver asks of an instruction set: one block at a time,
// single-threaded. See elementwise.h for the rules.
#pragma once

#include <cstdint>

#include "cpu/elementwise.h"

namespace tw::cpu {

// A block of a dropout that begins at a multiple of four elements.
struct DropoutBlock {
  uint64_t key;
  uint64_t counter;   // of the first four elements
  int32_t threshold;  // keep where the upper 24 bits are at least this
  float scale;
  int64_t count;
  const float* x;
  float* y;
};

// Rows of an operation; a column stride is 1, or 0 for a number a row.
struct ArithmeticBlock {
  Operation operation;
  int64_t rows, columns;
  const float* a;
  int64_t a_row, a_column;
  const float* b;
  int64_t b_row, b_column;
  float* y;  // dense
  bool streaming;
};

// `streaming`: the result is stored past the caches (streaming.h).
struct ElementwiseKernels {
  void (*activation)(const ActivationForward&, bool streaming);
  void (*activation_backward)(const ActivationBackward&, bool streaming);
  void (*dropout)(const DropoutBlock&);
  // sums[j] = sum over rows of src[row * stride + j], j < columns.
  void (*column_sums)(const float* src, int64_t stride, int64_t rows,
                      int64_t columns, float* sums);
  void (*arithmetic)(const ArithmeticBlock&);
};

namespace ref {
extern const ElementwiseKernels kElementwiseKernels;
}
#if defined(__x86_64__)
namespace avx512 {
extern const ElementwiseKernels kElementwiseKernels;
}
namespace avx2 {
extern const ElementwiseKernels kElementwiseKernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const ElementwiseKernels kElementwiseKernels;
}
#endif

}  // namespace tw::cpu
