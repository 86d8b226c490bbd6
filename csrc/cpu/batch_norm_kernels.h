// What the batch_norm driver asks of an instruction set: rows of columns that
// lie densely one after the other, single-threaded. A column is a channel, or
// one of several of the same channel where narrow rows are taken together.
#pragma once

#include <cstdint>

namespace tw::cpu {

// Of x alone: sums of x - pivot and of its square. Of dy and x: sums of dy and
// of dy (x - mean), dy being 0 where relu was. Some columns of the rows; all
// pointers are to the first of them.
struct NormSums {
  int64_t rows, columns;
  int64_t stride;  // floats from one row to the next
  const float* x;
  const float* dy;
  const float* mean;
  const float* scale;
  const float* shift;
  float* first;   // (columns,)
  float* second;  // (columns,)
  float* pivot;   // (columns,), of the moments: see pivot_row()
};

// A column's pivot is the mean of some of its rows, spread over all of them:
// near its mean, whatever a single row or the first ones may be. 0 if it is not
// finite.
constexpr int64_t kPivotRows = 8;
static inline int64_t pivot_row(int64_t i, int64_t rows) {
  return i * rows / kPivotRows;
}

// y = (x - mean) scale + shift, then relu.
// dx = dy a + (x - mean) b + c, or dy a in evaluation; dy is 0 where relu was.
struct NormRows {
  int64_t rows, columns;
  const float* x;
  const float* dy;
  const float* mean;
  const float* scale;
  const float* shift;
  const float* a;
  const float* b;
  const float* c;
  float* out;
  // Past the caches: `out` is aligned to 64 bytes, and so is each row.
  bool streaming;
};

struct BatchNormKernels {
  void (*moments)(const NormSums&);
  void (*normalize)(const NormRows&);
  void (*normalize_relu)(const NormRows&);
  void (*gradient_sums)(const NormSums&);
  void (*gradient_sums_relu)(const NormSums&);
  void (*gradient)(const NormRows&);
  void (*gradient_relu)(const NormRows&);
  void (*evaluation_gradient)(const NormRows&);
  void (*evaluation_gradient_relu)(const NormRows&);
};

namespace ref {
extern const BatchNormKernels kBatchNormKernels;
}
#if defined(__x86_64__)
namespace avx512 {
extern const BatchNormKernels kBatchNormKernels;
}
namespace avx2 {
extern const BatchNormKernels kBatchNormKernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const BatchNormKernels kBatchNormKernels;
}
#endif

}  // namespace tw::cpu
