// Softmax and its logarithm over the rows of a matrix, their gradients, and the
// cross-entropy loss with its gradient from the same exponentials. Every row is
// shifted by its maximum first. With p = softmax(logits), weights w, smoothing
// s and C classes, a row of label t has the loss
//   -(1 - s) w[t] log p[t] - s / C sum_c w[c] log p[c]
// (label smoothing: Szegedy et al., arXiv:1512.00567, section 7).
#pragma once

#include <cstdint>

#include "common/reduction.h"

namespace tw::cpu {

// `a` is x, or dy in the backward functions, where `saved` is the result.
struct SoftmaxProblem {
  int64_t rows, C;  // C >= 1
  const float* a;
  const float* saved;  // null in the forward functions
  float* out;
};

struct SoftmaxCrossEntropy {
  int64_t rows, C;  // C >= 1
  const float* logits;
  const int64_t* labels;  // each valid: see labels_valid
  double label_smoothing;
  bool has_ignore_index;
  int64_t ignore_index;
  const float* class_weight;  // (C,); null: all 1
  Reduction reduction;
  float* loss;  // one number, or one a row without reduction
  float* dlogits;
};

void softmax(const SoftmaxProblem& problem);
void log_softmax(const SoftmaxProblem& problem);
void softmax_backward(const SoftmaxProblem& problem);
void log_softmax_backward(const SoftmaxProblem& problem);

// Whether all labels are in [0, C) or equal to ignore_index.
bool labels_valid(const SoftmaxCrossEntropy& problem);
void softmax_cross_entropy(const SoftmaxCrossEntropy& problem);

}  // namespace tw::cpu
