#include <cmath>

#include "cuda/adam/adam.h"
#include "cuda/device/lanes.hpp"
#include "cuda/device/multi_tensor.hpp"

namespace tw::cuda {
namespace {

template <int kLanes>
__device__ __forceinline__ void step(const AdamTensor& t,
                                     const AdamCoefficients& c, int64_t at) {
  auto param = Lanes<kLanes>::load(t.param + at);
  const auto grad = Lanes<kLanes>::load(t.grad + at);
  auto exp_avg = Lanes<kLanes>::load(t.exp_avg + at);
  auto exp_avg_sq = Lanes<kLanes>::load(t.exp_avg_sq + at);
#pragma unroll
  for (int i = 0; i < kLanes; i++) {
    const float p = param.of[i];
    const float g = c.decay != 0 ? grad.of[i] + c.decay * p : grad.of[i];
    const float m = c.beta1 * exp_avg.of[i] + c.one_minus_beta1 * g;
    const float v = c.beta2 * exp_avg_sq.of[i] + c.one_minus_beta2 * g * g;
    exp_avg.of[i] = m;
    exp_avg_sq.of[i] = v;
    param.of[i] =
        p * c.shrink - c.step_size * m / (sqrtf(v) * c.root_scale + c.eps);
  }
  param.store(t.param + at);
  exp_avg.store(t.exp_avg + at);
  exp_avg_sq.store(t.exp_avg_sq + at);
}

template <int kMost>
__device__ __forceinline__ void step_of_block(
    const TensorTable<AdamTensor, kMost>& table, const AdamCoefficients& c) {
  const auto aligned = [](const AdamTensor& t) {
    return all_aligned(t.param, t.grad, t.exp_avg, t.exp_avg_sq);
  };
  over_block(table, aligned, [&](const AdamTensor& t, int64_t at, auto four) {
    step<decltype(four)::value ? 4 : 1>(t, c, at);
  });
}

template <int kMost>
__global__ __launch_bounds__(kTensorThreads) void adam_kernel(
    const __grid_constant__ TensorTable<AdamTensor, kMost> table,
    const __grid_constant__ AdamCoefficients c) {
  step_of_block(table, c);
}

template <int kMost>
__global__ __launch_bounds__(kTensorThreads) void adam_from_kernel(
    const __grid_constant__ TensorTable<AdamTensor, kMost> table,
    const AdamCoefficients* coefficients) {
  const AdamCoefficients c = *coefficients;
  step_of_block(table, c);
}

}  // namespace

AdamCoefficients adam_coefficients(const AdamStep& p) {
  const auto t = static_cast<double>(p.step);
  const double correction1 = p.bias_correction ? 1 - std::pow(p.beta1, t) : 1;
  const double correction2 = p.bias_correction ? 1 - std::pow(p.beta2, t) : 1;
  AdamCoefficients c;
  c.beta1 = static_cast<float>(p.beta1);
  c.one_minus_beta1 = static_cast<float>(1 - p.beta1);
  c.beta2 = static_cast<float>(p.beta2);
  c.one_minus_beta2 = static_cast<float>(1 - p.beta2);
  c.step_size = static_cast<float>(p.lr / correction1);
  c.root_scale = static_cast<float>(1 / std::sqrt(correction2));
  c.eps = static_cast<float>(p.eps);
  c.decay = p.decoupled ? 0 : static_cast<float>(p.weight_decay);
  c.shrink = p.decoupled ? static_cast<float>(1 - p.lr * p.weight_decay) : 1;
  return c;
}

void adam_step(const AdamStep& p, Stream stream) {
  launch_over_tensors("adam", p.tensors.data(), p.tensors.size(),
                      adam_coefficients(p), adam_kernel<kFewTensors>,
                      adam_kernel<kManyTensors>, stream);
}

void adam_step_from(const std::vector<AdamTensor>& tensors,
                    const AdamCoefficients* coefficients, Stream stream) {
  launch_over_tensors("adam", tensors.data(), tensors.size(), coefficients,
                      adam_from_kernel<kFewTensors>,
                      adam_from_kernel<kManyTensors>, stream);
}

}  // namespace tw::cuda
