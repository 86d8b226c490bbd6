// Batch normalization, one row after the other.
#include <cmath>

#include "cpu/batch_norm_kernels.h"

namespace tw::cpu::ref {
namespace {

float normalized(const float* x, const float* mean, const float* scale,
                 const float* shift, int64_t j) {
  return (x[j] - mean[j]) * scale[j] + shift[j];
}

// NaN passes.
template <bool relu, class Problem>
float passed(const Problem& p, const float* dy, const float* x, int64_t j) {
  if (relu && normalized(x, p.mean, p.scale, p.shift, j) <= 0) return 0;
  return dy[j];
}

void moments(const NormSums& p) {
  for (int64_t j = 0; j < p.columns; j++) {
    float sum = 0;
    for (int64_t i = 0; i < kPivotRows; i++)
      sum += p.x[pivot_row(i, p.rows) * p.stride + j];
    p.pivot[j] = std::isfinite(sum) ? sum / kPivotRows : 0;
    p.first[j] = p.second[j] = 0;
  }
  for (int64_t i = 0; i < p.rows; i++) {
    for (int64_t j = 0; j < p.columns; j++) {
      const float d = p.x[i * p.stride + j] - p.pivot[j];
      p.first[j] += d;
      p.second[j] += d * d;
    }
  }
}

template <bool relu>
void normalize(const NormRows& p) {
  for (int64_t i = 0; i < p.rows; i++) {
    const float* x = p.x + i * p.columns;
    for (int64_t j = 0; j < p.columns; j++) {
      const float y = normalized(x, p.mean, p.scale, p.shift, j);
      p.out[i * p.columns + j] = relu && y <= 0 ? 0 : y;
    }
  }
}

template <bool relu>
void gradient_sums(const NormSums& p) {
  for (int64_t j = 0; j < p.columns; j++) p.first[j] = p.second[j] = 0;
  for (int64_t i = 0; i < p.rows; i++) {
    const float* x = p.x + i * p.stride;
    for (int64_t j = 0; j < p.columns; j++) {
      const float dy = passed<relu>(p, p.dy + i * p.stride, x, j);
      p.first[j] += dy;
      p.second[j] += dy * (x[j] - p.mean[j]);
    }
  }
}

template <bool relu, bool training>
void gradient(const NormRows& p) {
  for (int64_t i = 0; i < p.rows; i++) {
    const float* x = p.x + i * p.columns;
    for (int64_t j = 0; j < p.columns; j++) {
      float dx = passed<relu>(p, p.dy + i * p.columns, x, j) * p.a[j];
      if (training) dx += (x[j] - p.mean[j]) * p.b[j] + p.c[j];
      p.out[i * p.columns + j] = dx;
    }
  }
}

}  // namespace

const BatchNormKernels kBatchNormKernels = {moments,
                                            normalize<false>,
                                            normalize<true>,
                                            gradient_sums<false>,
                                            gradient_sums<true>,
                                            gradient<false, true>,
                                            gradient<true, true>,
                                            gradient<false, false>,
                                            gradient<true, false>};

}  // namespace tw::cpu::ref
