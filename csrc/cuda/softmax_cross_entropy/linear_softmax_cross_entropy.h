// The loss of a linear layer's outputs, and its gradients, without the logits:
// they are made for a chunk of rows at a time,
//   logits = x weight + bias,  loss = cross-entropy(softmax(logits), labels),
// and their gradient, written over them, goes into those of x, weight and bias
// before the next chunk is made. Chunks are added in their order.
#pragma once

#include "cuda/precision.h"
#include "cuda/softmax_cross_entropy/softmax_cross_entropy.h"

namespace tw::cuda {

struct LinearSoftmaxCrossEntropy {
  // Without logits and dlogits; the reduction is mean or sum.
  SoftmaxCrossEntropy loss;
  int64_t in;           // features of x
  int64_t chunk_rows;   // at least 1
  const float* x;       // (rows, in)
  const float* weight;  // (in, C)
  const float* bias;    // (C,); null: none
  float* dx;
  float* dweight;
  float* dbias;  // null where there is no bias
  Precision precision = Precision::fp32;
};

// The floats that `workspace` must hold.
int64_t linear_softmax_cross_entropy_workspace(
    const LinearSoftmaxCrossEntropy& problem);
void linear_softmax_cross_entropy(const LinearSoftmaxCrossEntropy& problem,
                                  float* workspace, Stream stream);

}  // namespace tw::cuda
