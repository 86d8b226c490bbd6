// The probe for a machine without vectors: one float at a time.
#include "cpu/roofline.h"

namespace tw::cpu::ref {
namespace {

double multiply_add(int64_t iterations, float* data) {
  constexpr int sums = 8;
  float acc[sums] = {0, 1, 2, 3, 4, 5, 6, 7};  // unlike: not to be merged
  const float factor = data[0], addend = data[1];
  for (int64_t i = 0; i < iterations; i++)
    for (int j = 0; j < sums; j++) acc[j] = acc[j] * factor + addend;
  for (int j = 1; j < sums; j++) acc[0] += acc[j];
  data[0] = acc[0];
  return 2.0 * sums * static_cast<double>(iterations);
}

void copy(int64_t count, const float* src, float* dst) {
  for (int64_t i = 0; i < count; i++) dst[i] = src[i];
}

}  // namespace

const RooflineKernels kRooflineKernels = {multiply_add, copy, copy};

}  // namespace tw::cpu::ref
