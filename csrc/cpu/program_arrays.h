// Which members of each problem are arrays, and what has to hold of an array's
// contents before a kernel may have it, or is known once it has run.
#pragma once

#include <functional>

#include "cpu/adam.h"
#include "cpu/batch_norm.h"
#include "cpu/conv2d.h"
#include "cpu/elementwise.h"
#include "cpu/elementwise_loss.h"
#include "cpu/gemm.h"
#include "cpu/gradient_clipping.h"
#include "cpu/pool2d.h"
#include "cpu/rmsprop.h"
#include "cpu/sgd.h"
#include "cpu/softmax_cross_entropy.h"
#include "cpu/strided_copy.h"

namespace tw::cpu {

// Gets where a pointer stands, to be read and set by memcpy, and what it is.
using ArrayVisit = std::function<void(void* place, const void* address)>;

// Calls visit for each pointer but null ones: arrays that are not there.
template <class... Pointers>
void visit_pointers(const ArrayVisit& visit, Pointers&... pointers) {
  const auto one = [&](auto& pointer) {
    if (pointer) visit(&pointer, pointer);
  };
  (one(pointers), ...);
}

inline void visit_arrays(GemmProblem& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.a, p.b, p.c, p.bias);
}
inline void visit_arrays(ConvForward& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.x, p.weight, p.bias, p.y);
}
inline void visit_arrays(ConvBackwardInput& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.dy, p.weight, p.dx);
}
inline void visit_arrays(ConvBackwardWeight& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.x, p.dy, p.dweight, p.dbias);
}
inline void visit_arrays(ConvMaxPool& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.conv.x, p.conv.weight, p.conv.bias, p.y, p.indices);
}
inline void visit_arrays(ConvMaxPoolBackwardInput& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.gradient.dy, p.gradient.indices, p.weight, p.dx);
}
inline void visit_arrays(ConvMaxPoolBackwardWeight& p,
                         const ArrayVisit& visit) {
  visit_pointers(visit, p.gradient.dy, p.gradient.indices, p.x, p.dweight,
                 p.dbias);
}
inline void visit_arrays(PoolProblem& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.src, p.dst, p.src_indices, p.dst_indices);
}
inline void visit_arrays(BatchNormForward& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.x, p.weight, p.bias, p.running_mean, p.running_var,
                 p.y, p.saved);
}
inline void visit_arrays(BatchNormBackward& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.dy, p.x, p.saved, p.weight, p.bias, p.dx, p.dweight,
                 p.dbias);
}
inline void visit_arrays(SoftmaxProblem& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.a, p.saved, p.out);
}
inline void visit_arrays(SoftmaxCrossEntropy& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.logits, p.labels, p.class_weight, p.loss, p.dlogits);
}
inline void visit_arrays(ElementwiseLoss& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.x, p.target, p.loss, p.dx);
}
inline void visit_arrays(ActivationForward& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.x, p.y);
}
inline void visit_arrays(ActivationBackward& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.dy, p.saved, p.dx);
}
inline void visit_arrays(Dropout& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.x, p.y);
}
inline void visit_arrays(BiasGradient& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.dy, p.dbias);
}
inline void visit_arrays(Arithmetic& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.a, p.b, p.y);
}
inline void visit_arrays(StridedCopy& p, const ArrayVisit& visit) {
  visit_pointers(visit, p.x, p.y);
}
inline void visit_arrays(ClipByNorm& p, const ArrayVisit& visit) {
  for (GradientTensor& t : p.tensors) visit_pointers(visit, t.grad);
}
inline void visit_arrays(ClipByValue& p, const ArrayVisit& visit) {
  for (GradientTensor& t : p.tensors) visit_pointers(visit, t.grad);
}
inline void visit_arrays(AdamStep& p, const ArrayVisit& visit) {
  for (AdamTensor& t : p.tensors)
    visit_pointers(visit, t.param, t.grad, t.exp_avg, t.exp_avg_sq);
}
inline void visit_arrays(SgdStep& p, const ArrayVisit& visit) {
  for (SgdTensor& t : p.tensors)
    visit_pointers(visit, t.param, t.grad, t.momentum_buffer);
}
inline void visit_arrays(RmspropStep& p, const ArrayVisit& visit) {
  for (RmspropTensor& t : p.tensors)
    visit_pointers(visit, t.param, t.grad, t.square_avg, t.grad_avg,
                   t.momentum_buffer);
}

template <class Problem>
bool problem_valid(const Problem&) {
  return true;
}
inline bool problem_valid(const SoftmaxCrossEntropy& p) {
  return labels_valid(p);
}

// Throws std::invalid_argument where a kernel that has run was given what it
// must not be: numbers that kernels before it had made.
template <class Problem>
void expect_result(const Problem&) {}
inline void expect_result(const ElementwiseLoss& p) { expect_probabilities(p); }

}  // namespace tw::cpu
