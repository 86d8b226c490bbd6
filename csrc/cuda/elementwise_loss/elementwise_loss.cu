// A block takes a piece of the elements and leaves the sum of its losses; a
// second kernel, of one block, adds the pieces up, always in the same order.
#include <stdexcept>

#include "cuda/device/block_sum.hpp"
#include "cuda/elementwise/quads.cuh"
#include "cuda/elementwise_loss/elementwise_loss.h"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

constexpr int kRounds = 4;  // quads of a thread
constexpr int64_t kPiece = int64_t{kElementThreads} * 4 * kRounds;

using LossSum = BlockSum<kElementThreads>;

struct LossOf {
  float loss, slope;
};

// fmaxf(least, NaN) is `least`; here NaN stays.
__device__ __forceinline__ float at_least(float least, float v) {
  return v < least ? least : v;
}

// log(1 + x) for -1 <= x <= 1; NaN below.
__device__ __forceinline__ float log_of_one_and(float x) {
  // What 1 + x loses in rounding is put back, to first order.
  const float sum = 1 + x;
  const float lost = sum == 0 ? 0 : (x - (sum - 1)) / sum;
  return logf(sum) + lost;
}

__device__ __forceinline__ LossOf huber(float d, float delta) {
  const float size = fabsf(d);
  if (size <= delta) return {0.5f * d * d, d};
  // NaN is not below delta.
  return {delta * (size - 0.5f * delta), d > delta    ? delta
                                         : d < -delta ? -delta
                                                      : d};
}

__device__ __forceinline__ LossOf binary_cross_entropy(float x, float t) {
  const float yes = at_least(kLeastLogarithm, logf(x));
  const float no = at_least(kLeastLogarithm, log_of_one_and(-x));
  return {(t - 1) * no - t * yes,
          (x - t) / at_least(kLeastVariance, x * (1 - x))};
}

__device__ __forceinline__ LossOf with_logits(float x, float t) {
  const float e = expf(-fabsf(x));
  // The two large terms first: what is left of them may be small.
  const float loss = (at_least(0, x) - x * t) + log_of_one_and(e);
  // sigmoid(x) - t, without the digits that this loses where both are near 1.
  const float yes = x < 0 ? e : 1, no = x < 0 ? 1 : e;
  return {loss, ((1 - t) * yes - t * no) / (1 + e)};
}

__device__ __forceinline__ LossOf loss_of(LossKind kind, float delta, float x,
                                          float t) {
  const float d = x - t;
  switch (kind) {
    case LossKind::squared_error: return {d * d, 2 * d};
    case LossKind::absolute_error:
      return {fabsf(d), d > 0 ? 1 : d < 0 ? -1 : d};
    case LossKind::huber: return huber(d, delta);
    case LossKind::binary_cross_entropy: return binary_cross_entropy(x, t);
    case LossKind::binary_cross_entropy_with_logits: break;
  }
  return with_logits(x, t);
}

__global__ __launch_bounds__(kElementThreads) void loss_kernel(
    Quads quads, LossKind kind, float delta, float scale,
    const float* __restrict__ x, const float* __restrict__ target,
    float* __restrict__ losses, float* __restrict__ dx,
    double* __restrict__ sums) {
  auto& shared = shared_memory<LossSum>();
  double sum = 0;
  for (int round = 0; round < kRounds; round++) {
    const int64_t i = blockIdx.x * kPiece +
                      (round * kElementThreads + int64_t{threadIdx.x}) * 4;
    const int live = quads.live(i);
    if (live == 0) break;
    float output[4], wanted[4], value[4];
    quads.load(x, i, output);
    quads.load(target, i, wanted);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const LossOf e = loss_of(kind, delta, output[j], wanted[j]);
      value[j] = e.loss;
      output[j] = e.slope * scale;
      if (j < live) sum += e.loss;
    }
    if (losses) quads.store(losses, i, value);
    quads.store(dx, i, output);
  }
  if (!sums) return;
  sum = shared(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ __launch_bounds__(kElementThreads) void sum_pieces_kernel(
    const double* __restrict__ sums, int64_t pieces, double divisor,
    float* __restrict__ loss) {
  auto& shared = shared_memory<LossSum>();
  double sum = 0;
  for (int64_t i = threadIdx.x; i < pieces; i += kElementThreads)
    sum += sums[i];
  sum = shared(sum);
  // The mean of nothing is 0 / 0.
  if (threadIdx.x == 0) *loss = static_cast<float>(sum / divisor);
}

}  // namespace

int64_t elementwise_loss_workspace(const ElementwiseLoss& p) {
  // Doubles.
  return p.reduction == Reduction::none ? 0 : 2 * ceil_div(p.count, kPiece);
}

void elementwise_loss(const ElementwiseLoss& p, float* workspace,
                      Stream stream) {
  const bool none = p.reduction == Reduction::none;
  const bool mean = p.reduction == Reduction::mean;
  const auto count = static_cast<double>(p.count);
  const int64_t pieces = ceil_div(p.count, kPiece);
  if (pieces > INT32_MAX)
    throw std::invalid_argument("elementwise_loss: too many elements");
  float* losses = none ? p.loss : nullptr;
  auto* sums = none ? nullptr : reinterpret_cast<double*>(workspace);
  const Quads quads{p.count, all_aligned(p.x, p.target, p.dx, losses)};
  if (pieces > 0)
    launch("elementwise_loss", loss_kernel, dim3(static_cast<unsigned>(pieces)),
           dim3(kElementThreads), sizeof(LossSum), stream, quads, p.kind,
           p.delta, mean ? static_cast<float>(1 / count) : 1.f, p.x, p.target,
           losses, p.dx, sums);
  if (none) return;
  launch("sum_pieces", sum_pieces_kernel, dim3(1), dim3(kElementThreads),
         sizeof(LossSum), stream, sums, pieces, mean ? count : 1.0, p.loss);
}

}  // namespace tw::cuda
