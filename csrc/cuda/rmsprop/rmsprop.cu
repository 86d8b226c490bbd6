#include "cuda/device/lanes.hpp"
#include "cuda/device/multi_tensor.hpp"
#include "cuda/rmsprop/rmsprop.h"

namespace tw::cuda {
namespace {

template <int kLanes>
__device__ __forceinline__ void step(const RmspropArrays& t,
                                     const RmspropCoefficients& c, int64_t at) {
  auto param = Lanes<kLanes>::load(t.param + at);
  auto direction = Lanes<kLanes>::load(t.grad + at);
  auto square = Lanes<kLanes>::load(t.square_avg + at);
#pragma unroll
  for (int i = 0; i < kLanes; i++) {
    float& g = direction.of[i];
    if (c.weight_decay != 0) g += c.weight_decay * param.of[i];
    square.of[i] = c.decay * square.of[i] + c.weight * g * g;
  }
  square.store(t.square_avg + at);
  if (t.grad_avg) {
    auto mean = Lanes<kLanes>::load(t.grad_avg + at);
#pragma unroll
    for (int i = 0; i < kLanes; i++) {
      mean.of[i] = c.decay * mean.of[i] + c.weight * direction.of[i];
      const float variance = square.of[i] - mean.of[i] * mean.of[i];
      square.of[i] = variance < 0 ? 0 : variance;
    }
    mean.store(t.grad_avg + at);
  }
  // A sum with 0 changes no bit.
  const float inside = c.eps_in_root ? c.eps : 0;
  const float beside = c.eps_in_root ? 0 : c.eps;
#pragma unroll
  for (int i = 0; i < kLanes; i++)
    direction.of[i] /= sqrtf(square.of[i] + inside) + beside;
  if (t.momentum_buffer) {
    const auto buffer = Lanes<kLanes>::load(t.momentum_buffer + at);
#pragma unroll
    for (int i = 0; i < kLanes; i++)
      direction.of[i] += c.momentum * buffer.of[i];
    direction.store(t.momentum_buffer + at);
  }
#pragma unroll
  for (int i = 0; i < kLanes; i++) param.of[i] -= c.lr * direction.of[i];
  param.store(t.param + at);
}

template <int kMost>
__device__ __forceinline__ void step_of_block(
    const TensorTable<RmspropArrays, kMost>& table,
    const RmspropCoefficients& c) {
  const auto aligned = [](const RmspropArrays& t) {
    return all_aligned(t.param, t.grad, t.square_avg, t.grad_avg,
                       t.momentum_buffer);
  };
  over_block(table, aligned,
             [&](const RmspropArrays& t, int64_t at, auto four) {
               step<decltype(four)::value ? 4 : 1>(t, c, at);
             });
}

template <int kMost>
__global__ __launch_bounds__(kTensorThreads) void rmsprop_kernel(
    const __grid_constant__ TensorTable<RmspropArrays, kMost> table,
    const __grid_constant__ RmspropCoefficients c) {
  step_of_block(table, c);
}

template <int kMost>
__global__ __launch_bounds__(kTensorThreads) void rmsprop_from_kernel(
    const __grid_constant__ TensorTable<RmspropArrays, kMost> table,
    const RmspropCoefficients* coefficients) {
  const RmspropCoefficients c = *coefficients;
  step_of_block(table, c);
}

}  // namespace

void rmsprop_step(const std::vector<RmspropArrays>& tensors,
                  const RmspropCoefficients& coefficients, Stream stream) {
  launch_over_tensors("rmsprop", tensors.data(), tensors.size(), coefficients,
                      rmsprop_kernel<kFewTensors>, rmsprop_kernel<kManyTensors>,
                      stream);
}

void rmsprop_step_from(const std::vector<RmspropArrays>& tensors,
                       const RmspropCoefficients* coefficients, Stream stream) {
  launch_over_tensors("rmsprop", tensors.data(), tensors.size(), coefficients,
                      rmsprop_from_kernel<kFewTensors>,
                      rmsprop_from_kernel<kManyTensors>, stream);
}

}  // namespace tw::cuda
