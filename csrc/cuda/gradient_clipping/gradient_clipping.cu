// The norm by two kernels, of a block for each piece and of one block, which
// adds the pieces up in their order; a third one scales, or finds that it need
// not.
#include <cmath>

#include "cuda/device/block_sum.hpp"
#include "cuda/device/lanes.hpp"
#include "cuda/device/multi_tensor.hpp"
#include "cuda/gradient_clipping/gradient_clipping.h"

namespace tw::cuda {
namespace {

using PieceSum = BlockSum<kTensorThreads>;

__device__ __forceinline__ bool aligned(const GradientTensor& t) {
  return all_aligned(t.grad);
}

template <int kMost>
__global__ __launch_bounds__(kTensorThreads) void squares_kernel(
    const __grid_constant__ TensorTable<GradientTensor, kMost> table,
    double* sums) {
  auto& shared = shared_memory<PieceSum>();
  double sum = 0;
  over_block(table, aligned,
             [&](const GradientTensor& t, int64_t at, auto four) {
               constexpr int kLanes = decltype(four)::value ? 4 : 1;
               const auto grad = Lanes<kLanes>::load(t.grad + at);
#pragma unroll
               for (int i = 0; i < kLanes; i++) {
                 const double g = grad.of[i];
                 sum += g * g;
               }
             });
  sum = shared(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ __launch_bounds__(kTensorThreads) void norm_kernel(
    const double* __restrict__ sums, int64_t pieces, double max_norm,
    double* __restrict__ norm, float* __restrict__ factor) {
  auto& shared = shared_memory<PieceSum>();
  double sum = 0;
  for (int64_t i = threadIdx.x; i < pieces; i += kTensorThreads) sum += sums[i];
  sum = shared(sum);
  if (threadIdx.x != 0) return;
  const double found = sqrt(sum);
  const double scale = max_norm / (found + 1e-6);
  *norm = found;
  // Where the norm is infinite the scale is 0, and NaN is not below 1.
  *factor = scale < 1 && found < INFINITY ? static_cast<float>(scale) : 1;
}

template <int kMost, class Function>
__device__ __forceinline__ void change_block(
    const TensorTable<GradientTensor, kMost>& table, Function function) {
  over_block(table, aligned,
             [&](const GradientTensor& t, int64_t at, auto four) {
               constexpr int kLanes = decltype(four)::value ? 4 : 1;
               auto grad = Lanes<kLanes>::load(t.grad + at);
#pragma unroll
               for (int i = 0; i < kLanes; i++)
                 grad.of[i] = function(grad.of[i]);
               grad.store(t.grad + at);
             });
}

template <int kMost>
__global__ __launch_bounds__(kTensorThreads) void scale_kernel(
    const __grid_constant__ TensorTable<GradientTensor, kMost> table,
    const float* factor) {
  const float scale = *factor;
  if (scale == 1) return;
  change_block(table, [&](float g) { return g * scale; });
}

template <int kMost>
__global__ __launch_bounds__(kTensorThreads) void limit_kernel(
    const __grid_constant__ TensorTable<GradientTensor, kMost> table,
    float limit) {
  change_block(table, [&](float g) {
    return g > limit ? limit : g < -limit ? -limit : g;
  });
}

int64_t pieces_of(const GradientTensor* tensors, size_t count) {
  int64_t pieces = 0;
  for (size_t i = 0; i < count; i++)
    pieces += ceil_div(tensors[i].size, kTensorPiece);
  return pieces;
}

}  // namespace

int64_t clip_by_norm_workspace(const ClipByNorm& p) {
  // Doubles, then the factor.
  return 2 * pieces_of(p.tensors.data(), p.tensors.size()) + 1;
}

void clip_by_norm(const ClipByNorm& p, float* workspace, Stream stream) {
  auto* sums = reinterpret_cast<double*>(workspace);
  const size_t count = p.tensors.size();
  int64_t pieces = 0;
  for (size_t begin = 0; begin < count; begin += kManyTensors) {
    // A launch numbers its blocks from 0.
    const GradientTensor* some = p.tensors.data() + begin;
    const size_t n = std::min<size_t>(kManyTensors, count - begin);
    launch_over_tensors("squares", some, n, sums + pieces,
                        squares_kernel<kFewTensors>,
                        squares_kernel<kManyTensors>, stream, sizeof(PieceSum));
    pieces += pieces_of(some, n);
  }
  float* factor = workspace + 2 * pieces;
  launch("norm", norm_kernel, dim3(1), dim3(kTensorThreads), sizeof(PieceSum),
         stream, sums, pieces, p.max_norm, p.norm, factor);
  launch_over_tensors(
      "scale", p.tensors.data(), count, static_cast<const float*>(factor),
      scale_kernel<kFewTensors>, scale_kernel<kManyTensors>, stream);
}

void clip_by_value(const std::vector<GradientTensor>& tensors, float limit,
                   Stream stream) {
  launch_over_tensors("limit", tensors.data(), tensors.size(), limit,
                      limit_kernel<kFewTensors>, limit_kernel<kManyTensors>,
                      stream);
}

}  // namespace tw::cuda
