#include "cuda/device/lanes.hpp"
#include "cuda/device/multi_tensor.hpp"
#include "cuda/sgd/sgd.h"

namespace tw::cuda {
namespace {

template <int kLanes>
__device__ __forceinline__ void step(const SgdTensor& t,
                                     const SgdCoefficients& c, int64_t at) {
  auto param = Lanes<kLanes>::load(t.param + at);
  auto direction = Lanes<kLanes>::load(t.grad + at);
  if (c.weight_decay != 0) {
#pragma unroll
    for (int i = 0; i < kLanes; i++)
      direction.of[i] += c.weight_decay * param.of[i];
  }
  if (t.momentum_buffer) {
    auto buffer = Lanes<kLanes>::load(t.momentum_buffer + at);
#pragma unroll
    for (int i = 0; i < kLanes; i++) {
      const float g = direction.of[i];
      buffer.of[i] = c.momentum * buffer.of[i] + g;
      direction.of[i] =
          c.nesterov ? g + c.momentum * buffer.of[i] : buffer.of[i];
    }
    buffer.store(t.momentum_buffer + at);
  }
#pragma unroll
  for (int i = 0; i < kLanes; i++) param.of[i] -= c.lr * direction.of[i];
  param.store(t.param + at);
}

template <int kMost>
__device__ __forceinline__ void step_of_block(
    const TensorTable<SgdTensor, kMost>& table, const SgdCoefficients& c) {
  const auto aligned = [](const SgdTensor& t) {
    return all_aligned(t.param, t.grad, t.momentum_buffer);
  };
  over_block(table, aligned, [&](const SgdTensor& t, int64_t at, auto four) {
    step<decltype(four)::value ? 4 : 1>(t, c, at);
  });
}

template <int kMost>
__global__ __launch_bounds__(kTensorThreads) void sgd_kernel(
    const __grid_constant__ TensorTable<SgdTensor, kMost> table,
    const __grid_constant__ SgdCoefficients c) {
  step_of_block(table, c);
}

template <int kMost>
__global__ __launch_bounds__(kTensorThreads) void sgd_from_kernel(
    const __grid_constant__ TensorTable<SgdTensor, kMost> table,
    const SgdCoefficients* coefficients) {
  const SgdCoefficients c = *coefficients;
  step_of_block(table, c);
}

}  // namespace

SgdCoefficients sgd_coefficients(const SgdStep& p) {
  return {static_cast<float>(p.lr), static_cast<float>(p.momentum),
          static_cast<float>(p.weight_decay), p.nesterov};
}

void sgd_step(const SgdStep& p, Stream stream) {
  launch_over_tensors("sgd", p.tensors.data(), p.tensors.size(),
                      sgd_coefficients(p), sgd_kernel<kFewTensors>,
                      sgd_kernel<kManyTensors>, stream);
}

void sgd_step_from(const std::vector<SgdTensor>& tensors,
                   const SgdCoefficients* coefficients, Stream stream) {
  launch_over_tensors("sgd", tensors.data(), tensors.size(), coefficients,
                      sgd_from_kernel<kFewTensors>,
                      sgd_from_kernel<kManyTensors>, stream);
}

}  // namespace tw::cuda
