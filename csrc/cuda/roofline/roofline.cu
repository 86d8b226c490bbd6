// Chains of multiply-adds on registers, as many side by side as hide the
// latency of each. Nothing is read or written in between, so that the units'
// rate alone bounds them.
#include <stdexcept>

#include "cuda/device/ptx.hpp"
#include "cuda/launch.hpp"
#include "cuda/roofline/roofline.h"

namespace tw::cuda {
namespace {

constexpr int kChains = 8;

__global__ __launch_bounds__(kRooflineThreads) void multiply_add_kernel(
    int steps, float* out) {
  const size_t at = size_t{blockIdx.x} * kRooflineThreads + threadIdx.x;
  const float x = out[at];
  float sum[kChains];
  for (int c = 0; c < kChains; ++c) sum[c] = static_cast<float>(c);
#pragma unroll 16
  for (int step = 0; step < steps; ++step) {
#pragma unroll
    for (int c = 0; c < kChains; ++c) sum[c] = sum[c] * x + x;
  }
  float total = 0;
  for (int c = 0; c < kChains; ++c) total += sum[c];
  out[at] = total;
}

template <bool kBf16>
__global__ __launch_bounds__(kRooflineThreads) void tensor_core_kernel(
    int steps, float* out) {
  const size_t at = size_t{blockIdx.x} * kRooflineThreads + threadIdx.x;
  const float x = out[at];
  const uint32_t bits = kBf16 ? to_bf16_pair(x, x) : to_tf32(x);
  const uint32_t a[4] = {bits, bits, bits, bits};
  const uint32_t b[2] = {bits, bits};
  float sum[kChains][4] = {};
#pragma unroll 4
  for (int step = 0; step < steps; ++step) {
#pragma unroll
    for (int c = 0; c < kChains; ++c) {
      if constexpr (kBf16)
        mma_m16n8k16_bf16(sum[c], a, b);
      else
        mma_m16n8k8_tf32(sum[c], a, b);
    }
  }
  float total = 0;
  for (int c = 0; c < kChains; ++c)
    for (int i = 0; i < 4; ++i) total += sum[c][i];
  out[at] = total;
}

}  // namespace

double multiply_add(Unit unit, int blocks, int steps, float* out,
                    Stream stream) {
  if (unit != Unit::fp32 && !has_tensor_cores())
    throw std::invalid_argument(
        "multiply_add: this GPU has no tensor cores for tf32 and bf16");
  const dim3 grid(static_cast<unsigned>(blocks)), block(kRooflineThreads);
  const double chains = double{kChains} * blocks * steps;
  if (unit == Unit::fp32) {
    launch("multiply_add", multiply_add_kernel, grid, block, 0, stream, steps,
           out);
    return 2 * chains * kRooflineThreads;
  }
  const bool bf16 = unit == Unit::bf16;
  launch("multiply_add",
         bf16 ? tensor_core_kernel<true> : tensor_core_kernel<false>, grid,
         block, 0, stream, steps, out);
  const int depth = bf16 ? 16 : 8;
  return 2.0 * 16 * 8 * depth * chains * (kRooflineThreads / 32);
}

}  // namespace tw::cuda
