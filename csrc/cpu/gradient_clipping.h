// Limits on gradients, over many arrays in one call, in place. Bound by memory:
// 4 bytes an element for the norm, 8 where anything is changed.
#pragma once

#include <cstdint>
#include <vector>

namespace tw::cpu {

struct GradientTensor {
  float* grad;
  int64_t size;
  int64_t offset;  // the sum of the sizes before it
};

// Scales all by max_norm / (norm + 1e-6) where that is below 1, with the norm
// of all elements together, squared and added up in double; one that is not
// finite changes nothing.
struct ClipByNorm {
  std::vector<GradientTensor> tensors;
  double max_norm;
  double* norm;  // receives it; null: nobody asks
};

// Each element into [-limit, limit]; NaN stays.
struct ClipByValue {
  std::vector<GradientTensor> tensors;
  float limit;
};

void clip_by_norm(const ClipByNorm& problem);
void clip_by_value(const ClipByValue& problem);

}  // namespace tw::cpu
