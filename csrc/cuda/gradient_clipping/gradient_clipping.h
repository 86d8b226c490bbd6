// Limits on gradients on a GPU, over many arrays in one call, in place. The
// norm stays in the GPU's memory, and nothing waits for it.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/stream.h"

namespace tw::cuda {

struct GradientTensor {
  float* grad;
  int64_t size;
};

// Scales all by max_norm / (norm + 1e-6) where that is below 1, with the norm
// of all elements together, squared and added up in double; one that is not
// finite changes nothing.
struct ClipByNorm {
  std::vector<GradientTensor> tensors;
  double max_norm;
  double* norm;  // receives it
};

// The floats that `workspace` must hold.
int64_t clip_by_norm_workspace(const ClipByNorm& problem);
void clip_by_norm(const ClipByNorm& problem, float* workspace, Stream stream);

// Each element into [-limit, limit]; NaN stays.
void clip_by_value(const std::vector<GradientTensor>& tensors, float limit,
                   Stream stream);

}  // namespace tw::cuda
