// Softmax and its logarithm over the rows of a matrix, their gradients, and the
// cross-entropy loss with its gradient. With p = softmax(logits), weights w,
// smoothing s and C classes, a row of label t has the loss
//   -(1 - s) w[t] log p[t] - s / C sum_c w[c] log p[c]
// (label smoothing: Szegedy et al., arXiv:1512.00567, section 7).
#pragma once

#include <cstdint>

#include "common/reduction.h"
#include "cuda/stream.h"

namespace tw::cuda {

enum class SoftmaxPass { softmax, log_softmax, backward, log_backward };

// `a` is x, or dy in the backward passes, where `saved` is the result.
struct SoftmaxProblem {
  SoftmaxPass pass;
  int64_t rows, C;  // C >= 1
  const float* a;
  const float* saved;
  float* out;
};

struct SoftmaxCrossEntropy {
  int64_t rows, C;  // C >= 1
  const float* logits;
  // In [0, C) or ignore_index. A row of any other label has the loss NaN and
  // no gradient: looking for one beforehand would stop the stream.
  const int64_t* labels;
  double label_smoothing;
  bool has_ignore_index;
  int64_t ignore_index;
  const float* class_weight;  // (C,); null: all 1
  Reduction reduction;
  float* loss;     // one number, or one a row without reduction
  float* dlogits;  // may be logits
};

void softmax(const SoftmaxProblem& problem, Stream stream);

// The floats that `workspace` must hold.
int64_t softmax_cross_entropy_workspace(const SoftmaxCrossEntropy& problem);
void softmax_cross_entropy(const SoftmaxCrossEntropy& problem, float* workspace,
                           Stream stream);

// The same in three steps over one workspace, for logits that come in pieces:
// what all rows have in common, then any rows (from `first`, so many as there
// are here; `logits` and `dlogits` are of these rows alone), then the loss.
void softmax_cross_entropy_begin(const SoftmaxCrossEntropy& problem,
                                 float* workspace, Stream stream);
void softmax_cross_entropy_rows(const SoftmaxCrossEntropy& problem,
                                int64_t first, int64_t rows,
                                const float* logits, float* dlogits,
                                float* workspace, Stream stream);
void softmax_cross_entropy_end(const SoftmaxCrossEntropy& problem,
                               float* workspace, Stream stream);

}  // namespace tw::cuda
