// The loss and its gradient. One kernel takes the rows: the normalizer in one
// pass over the logits, the gradient in a second. Around it, where there is
// need, two kernels of one block: what a mean divides by, which the gradient
// wants to know, and the sum of the rows' losses, each in a fixed order.
#include "cuda/device/blackwell.hpp"
#include "cuda/device/block_sum.hpp"
#include "cuda/softmax_cross_entropy/rows.cuh"
#include "cuda/softmax_cross_entropy/softmax_cross_entropy.h"

namespace tw::cuda {
namespace {

// In the workspace: two totals, then a loss for each row.
struct Totals {
  float weight_of_labels;   // what a mean divides by
  float weight_of_classes;  // the sum of class_weight
};
constexpr int64_t kTotals = 4;  // floats, so that losses are aligned

struct LossArguments {
  const float* logits;
  const int64_t* labels;
  const float* class_weight;  // null: all 1
  int64_t rows, C;
  bool has_ignore_index;
  int64_t ignore_index;
  float target_share;    // 1 - smoothing
  float smoothing;       // smoothing / C
  bool mean;             // divide by the totals' weight
  const Totals* totals;  // null: `usual` holds
  Totals usual;
  float* losses;
  float* dlogits;

  __device__ __forceinline__ bool ignored(int64_t label) const {
    return has_ignore_index && label == ignore_index;
  }
  __device__ __forceinline__ float weight(int64_t c) const {
    return class_weight ? class_weight[c] : 1;
  }
};

using RowsSum = BlockSum<kRowThreads>;

__global__ __launch_bounds__(kRowThreads) void totals_kernel(LossArguments p,
                                                             Totals* totals) {
  auto& shared = shared_memory<RowsSum>();
  double labels = 0, classes = 0;
  for (int64_t i = threadIdx.x; i < p.rows; i += kRowThreads) {
    const int64_t label = p.labels[i];
    if (!p.ignored(label) && label >= 0 && label < p.C)
      labels += p.weight(label);
  }
  for (int64_t c = threadIdx.x; c < p.C; c += kRowThreads)
    classes += p.weight(c);
  labels = shared(labels);
  classes = shared(classes);
  if (threadIdx.x == 0) {
    totals->weight_of_labels = static_cast<float>(labels);
    totals->weight_of_classes = static_cast<float>(classes);
  }
}

__global__ __launch_bounds__(kRowThreads) void sum_losses_kernel(
    LossArguments p, float* __restrict__ loss) {
  auto& shared = shared_memory<RowsSum>();
  double sum = 0;
  for (int64_t i = threadIdx.x; i < p.rows; i += kRowThreads)
    sum += p.losses[i];
  sum = shared(sum);
  if (threadIdx.x != 0) return;
  const Totals totals = p.totals ? *p.totals : p.usual;
  // The mean over no rows is 0 / 0.
  *loss = static_cast<float>(p.mean ? sum / totals.weight_of_labels : sum);
}

template <int kTeam, int kLanes>
__device__ __forceinline__ void write_zeros(const RowOfThread<kTeam>& mine,
                                            int64_t columns, float* to) {
  mine.template each<kLanes>(
      columns, [&](int64_t c) { Lanes<kLanes>::all(0).store(to + c); });
}

template <int kTeam, int kLanes>
constexpr int kBlocks =
    kBlackwell && kTeam == kRowThreads && kLanes == 4 ? 1 : 0;

template <int kTeam, int kLanes>
__global__ __launch_bounds__(
    kRowThreads,
    kBlocks<kTeam, kLanes>) void cross_entropy_kernel(LossArguments p) {
  auto& shared = shared_memory<RowShared>();
  const RowOfThread<kTeam> mine;
  const int64_t columns = mine.row < p.rows ? p.C : 0;
  const float* x = p.logits + mine.row * p.C;
  float* dx = p.dlogits + mine.row * p.C;
  Normalizer n;
  mine.template each<kLanes>(columns, [&](int64_t c) {
    const auto value = Lanes<kLanes>::load(x + c);
#pragma unroll
    for (int i = 0; i < kLanes; i++) n.add(value.of[i]);
  });
  const int64_t label = columns ? p.labels[mine.row] : -1;
  const bool valid = label >= 0 && label < p.C;
  const float of_label = valid ? x[label] : 0;
  if (x == dx) __syncthreads();  // before one writes what another reads
  combine_over_row<kTeam>(shared, n);
  const float log_sum = logf(n.sum);
  // sum of w[c] log p[c], where smoothing asks for it.
  float smoothed = 0;
  if (p.smoothing > 0) {
    mine.template each<kLanes>(columns, [&](int64_t c) {
      const auto value = Lanes<kLanes>::load(x + c);
#pragma unroll
      for (int i = 0; i < kLanes; i++)
        smoothed += p.weight(c + i) * (value.of[i] - n.max - log_sum);
    });
    smoothed = over_row<kTeam>(shared, smoothed, Add());
  }
  // No barrier from here on.
  if (columns == 0) return;
  if (p.ignored(label) || !valid) {
    write_zeros<kTeam, kLanes>(mine, columns, dx);
    if (mine.first == 0) p.losses[mine.row] = p.ignored(label) ? 0 : NAN;
    return;
  }
  const Totals totals = p.totals ? *p.totals : p.usual;
  const float target = p.target_share * p.weight(label);
  const float share = target + p.smoothing * totals.weight_of_classes;
  const float scale = !p.mean ? 1
                      : totals.weight_of_labels != 0
                          ? 1 / totals.weight_of_labels
                          : 0;  // the mean over no rows has no gradient
  if (mine.first == 0) {
    const float loss = -target * (of_label - n.max - log_sum);
    p.losses[mine.row] = p.smoothing > 0 ? loss - p.smoothing * smoothed : loss;
  }
  mine.template each<kLanes>(columns, [&](int64_t c) {
    auto value = Lanes<kLanes>::load(x + c);
#pragma unroll
    for (int i = 0; i < kLanes; i++) {
      float gradient = share * expf(value.of[i] - n.max - log_sum);
      if (p.smoothing > 0) gradient -= p.smoothing * p.weight(c + i);
      if (c + i == label) gradient -= target;
      value.of[i] = gradient * scale;
    }
    value.store(dx + c);
  });
}

bool needs_totals(const SoftmaxCrossEntropy& p) {
  return p.class_weight ||
         (p.reduction == Reduction::mean && p.has_ignore_index);
}

LossArguments arguments_of(const SoftmaxCrossEntropy& p, float* workspace) {
  LossArguments a{};
  a.logits = p.logits, a.labels = p.labels, a.class_weight = p.class_weight;
  a.rows = p.rows, a.C = p.C;
  a.has_ignore_index = p.has_ignore_index, a.ignore_index = p.ignore_index;
  a.target_share = static_cast<float>(1 - p.label_smoothing);
  a.smoothing =
      static_cast<float>(p.label_smoothing / static_cast<double>(p.C));
  a.mean = p.reduction == Reduction::mean;
  a.usual = {static_cast<float>(p.rows), static_cast<float>(p.C)};
  a.losses = p.reduction == Reduction::none ? p.loss : workspace + kTotals;
  a.dlogits = p.dlogits;
  if (needs_totals(p)) a.totals = reinterpret_cast<const Totals*>(workspace);
  return a;
}

template <int kTeam>
void run(const LossArguments& p, bool quads, Stream stream) {
  launch(
      "softmax_cross_entropy",
      quads ? cross_entropy_kernel<kTeam, 4> : cross_entropy_kernel<kTeam, 1>,
      row_grid<kTeam>(p.rows), dim3(kRowThreads), sizeof(RowShared), stream, p);
}

}  // namespace

int64_t softmax_cross_entropy_workspace(const SoftmaxCrossEntropy& p) {
  return kTotals + (p.reduction == Reduction::none ? 0 : p.rows);
}

void softmax_cross_entropy_begin(const SoftmaxCrossEntropy& p, float* workspace,
                                 Stream stream) {
  if (!needs_totals(p)) return;
  launch("totals", totals_kernel, dim3(1), dim3(kRowThreads), sizeof(RowsSum),
         stream, arguments_of(p, workspace),
         reinterpret_cast<Totals*>(workspace));
}

void softmax_cross_entropy_rows(const SoftmaxCrossEntropy& p, int64_t first,
                                int64_t rows, const float* logits,
                                float* dlogits, float* workspace,
                                Stream stream) {
  if (rows == 0) return;
  LossArguments a = arguments_of(p, workspace);
  a.rows = rows;
  a.labels += first;
  a.losses += first;
  a.logits = logits;
  a.dlogits = dlogits;
  const bool quads = row_quads(logits, dlogits, p.C);
  if (p.C <= kShortRow)
    run<8>(a, quads, stream);
  else if (p.C <= kLongRow)
    run<32>(a, quads, stream);
  else
    run<kRowThreads>(a, quads, stream);
}

void softmax_cross_entropy_end(const SoftmaxCrossEntropy& p, float* workspace,
                               Stream stream) {
  if (p.reduction == Reduction::none) return;
  launch("sum_losses", sum_losses_kernel, dim3(1), dim3(kRowThreads),
         sizeof(RowsSum), stream, arguments_of(p, workspace), p.loss);
}

void softmax_cross_entropy(const SoftmaxCrossEntropy& p, float* workspace,
                           Stream stream) {
  softmax_cross_entropy_begin(p, workspace, stream);
  softmax_cross_entropy_rows(p, 0, p.rows, p.logits, p.dlogits, workspace,
                             stream);
  softmax_cross_entropy_end(p, workspace, stream);
}

}  // namespace tw::cuda
