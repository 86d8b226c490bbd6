// Softmax, its logarithm and their gradients. Each row is read twice (the
// second time from L2 where it fits) and written once: memory bounds it.
#include "cuda/softmax_cross_entropy/rows.cuh"
#include "cuda/softmax_cross_entropy/softmax_cross_entropy.h"

namespace tw::cuda {
namespace {

template <int kTeam, int kLanes, bool kLog>
__global__ __launch_bounds__(kRowThreads) void softmax_kernel(
    const float* __restrict__ x, int64_t rows, int64_t C,
    float* __restrict__ y) {
  auto& shared = shared_memory<RowShared>();
  const RowOfThread<kTeam> mine;
  // Threads beyond the last row take part in the reductions.
  const int64_t columns = mine.row < rows ? C : 0;
  const int64_t at = mine.row * C;
  Normalizer n;
  mine.template each<kLanes>(columns, [&](int64_t c) {
    const auto value = Lanes<kLanes>::load(x + at + c);
#pragma unroll
    for (int i = 0; i < kLanes; i++) n.add(value.of[i]);
  });
  combine_over_row<kTeam>(shared, n);
  const float shift = n.max;  // a row of -infinity becomes NaN
  const float scale = kLog ? logf(n.sum) : 1 / n.sum;
  mine.template each<kLanes>(columns, [&](int64_t c) {
    auto value = Lanes<kLanes>::load(x + at + c);
#pragma unroll
    for (int i = 0; i < kLanes; i++) {
      const float shifted = value.of[i] - shift;
      value.of[i] = kLog ? shifted - scale : expf(shifted) * scale;
    }
    value.store(y + at + c);
  });
}

template <int kTeam, int kLanes, bool kLog>
__global__ __launch_bounds__(kRowThreads) void softmax_backward_kernel(
    const float* __restrict__ dy, const float* __restrict__ y, int64_t rows,
    int64_t C, float* __restrict__ dx) {
  auto& shared = shared_memory<RowShared>();
  const RowOfThread<kTeam> mine;
  const int64_t columns = mine.row < rows ? C : 0;
  const int64_t at = mine.row * C;
  float sum = 0;
  mine.template each<kLanes>(columns, [&](int64_t c) {
    const auto d = Lanes<kLanes>::load(dy + at + c);
    if constexpr (kLog) {
#pragma unroll
      for (int i = 0; i < kLanes; i++) sum += d.of[i];
    } else {
      const auto p = Lanes<kLanes>::load(y + at + c);
#pragma unroll
      for (int i = 0; i < kLanes; i++) sum += d.of[i] * p.of[i];
    }
  });
  sum = over_row<kTeam>(shared, sum, Add());
  mine.template each<kLanes>(columns, [&](int64_t c) {
    auto d = Lanes<kLanes>::load(dy + at + c);
    const auto p = Lanes<kLanes>::load(y + at + c);
#pragma unroll
    for (int i = 0; i < kLanes; i++)
      d.of[i] =
          kLog ? d.of[i] - expf(p.of[i]) * sum : p.of[i] * (d.of[i] - sum);
    d.store(dx + at + c);
  });
}

template <int kTeam, int kLanes>
void run(const SoftmaxProblem& p, Stream stream) {
  const dim3 grid = row_grid<kTeam>(p.rows), block(kRowThreads);
  const bool log =
      p.pass == SoftmaxPass::log_softmax || p.pass == SoftmaxPass::log_backward;
  if (p.saved)
    launch("softmax_backward",
           log ? softmax_backward_kernel<kTeam, kLanes, true>
               : softmax_backward_kernel<kTeam, kLanes, false>,
           grid, block, sizeof(RowShared), stream, p.a, p.saved, p.rows, p.C,
           p.out);
  else
    launch("softmax",
           log ? softmax_kernel<kTeam, kLanes, true>
               : softmax_kernel<kTeam, kLanes, false>,
           grid, block, sizeof(RowShared), stream, p.a, p.rows, p.C, p.out);
}

template <int kLanes>
void run_team(const SoftmaxProblem& p, Stream stream) {
  if (p.C <= kShortRow) return run<8, kLanes>(p, stream);
  if (p.C <= kLongRow) return run<32, kLanes>(p, stream);
  run<kRowThreads, kLanes>(p, stream);
}

}  // namespace

void softmax(const SoftmaxProblem& p, Stream stream) {
  if (p.rows == 0) return;
  const bool quads = row_quads(p.a, p.out, p.C) &&
                     (!p.saved || row_quads(p.saved, p.out, p.C));
  quads ? run_team<4>(p, stream) : run_team<1>(p, stream);
}

}  // namespace tw::cuda
