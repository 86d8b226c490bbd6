// Threads take blocks of whole rows, a few for large rows and about 64 KiB of
// small ones. A loss is summed over each block in row order and then over the
// blocks in theirs, in double, so the bits do not depend on the threads.
#include "cpu/softmax_cross_entropy.h"

#include <algorithm>

#include "cpu/algorithm.h"
#include "cpu/allocator.h"
#include "cpu/parallel.h"
#include "cpu/softmax_cross_entropy_kernels.h"

namespace tw::cpu {
namespace {

constexpr int64_t kBlockFloats = 16384;
// Rows in a row let the reads of the next hide behind the work on this one.
constexpr int64_t kMostLargeRows = 8;

struct Blocks {
  Blocks(int64_t all_rows, int64_t C) : rows(all_rows) {
    const int64_t large = std::clamp<int64_t>(rows / 32, 1, kMostLargeRows);
    size = std::max(kBlockFloats / C, large);
    if (size > 16) size = (size + 15) / 16 * 16;
    count = (rows + size - 1) / size;
  }
  int64_t begin(int64_t block) const { return block * size; }
  int64_t rows_of(int64_t block) const {
    return std::min(size, rows - begin(block));
  }
  int64_t rows, size, count;
};

template <const SoftmaxKernels& kernels,
          void (*SoftmaxKernels::*kernel)(const SoftmaxRows&)>
void run(const SoftmaxProblem& p) {
  const Blocks blocks(p.rows, p.C);
  const double arrays = p.saved ? 3 : 2;
  const int threads =
      threads_for_bytes(4.0 * arrays * static_cast<double>(p.rows * p.C));
  const Scratch references(static_cast<size_t>(softmax_chunks(p.C)), threads);
  parallel_for(blocks.count, threads, [&](int64_t block, int worker) {
    const int64_t at = blocks.begin(block) * p.C;
    (kernels.*kernel)({blocks.rows_of(block), p.C, p.a + at,
                       p.saved ? p.saved + at : nullptr, p.out + at,
                       references.of(worker)});
  });
}

// The sum of w[t] over the rows that count: what a mean divides by.
double total_weight(const SoftmaxCrossEntropy& p) {
  if (!p.has_ignore_index && !p.class_weight)
    return static_cast<double>(p.rows);
  double total = 0;
  for (int64_t i = 0; i < p.rows; i++)
    if (!p.has_ignore_index || p.labels[i] != p.ignore_index)
      total += p.class_weight ? p.class_weight[p.labels[i]] : 1;
  return total;
}

CrossEntropyRows rows_of(const SoftmaxCrossEntropy& p, double scale) {
  CrossEntropyRows r{};
  r.C = p.C;
  r.has_ignore_index = p.has_ignore_index;
  r.ignore_index = p.ignore_index;
  r.class_weight = p.class_weight;
  double weight_sum = static_cast<double>(p.C);
  if (p.class_weight && p.label_smoothing > 0) {
    weight_sum = 0;
    for (int64_t c = 0; c < p.C; c++) weight_sum += p.class_weight[c];
  }
  r.weight_sum = static_cast<float>(weight_sum);
  r.target_share = static_cast<float>(1 - p.label_smoothing);
  r.smoothing =
      static_cast<float>(p.label_smoothing / static_cast<double>(p.C));
  r.scale = static_cast<float>(scale);
  return r;
}

template <const SoftmaxKernels& kernels>
void run_cross_entropy(const SoftmaxCrossEntropy& p) {
  const bool none = p.reduction == Reduction::none;
  const double divisor = p.reduction == Reduction::mean ? total_weight(p) : 1;
  // The mean over no rows is 0 / 0, and has no gradient.
  const CrossEntropyRows all = rows_of(p, divisor != 0 ? 1 / divisor : 0);

  const Blocks blocks(p.rows, p.C);
  const int threads =
      threads_for_bytes(8.0 * static_cast<double>(p.rows * p.C));
  const Scratch references(static_cast<size_t>(softmax_chunks(p.C)), threads);
  const Scratch losses(none ? 0 : static_cast<size_t>(p.rows), 1);
  // Doubles, in a scratch of floats.
  const Scratch sum_memory(static_cast<size_t>(2 * blocks.count), 1);
  auto* sums = reinterpret_cast<double*>(sum_memory.of(0));
  parallel_for(blocks.count, threads, [&](int64_t block, int worker) {
    const int64_t begin = blocks.begin(block);
    CrossEntropyRows rows = all;
    rows.rows = blocks.rows_of(block);
    rows.logits = p.logits + begin * p.C;
    rows.labels = p.labels + begin;
    rows.losses = (none ? p.loss : losses.of(0)) + begin;
    rows.dlogits = p.dlogits + begin * p.C;
    rows.references = references.of(worker);
    kernels.cross_entropy(rows);
    sums[block] = 0;
    for (int64_t i = 0; i < rows.rows; i++) sums[block] += rows.losses[i];
  });
  if (none) return;
  double sum = 0;
  for (int64_t block = 0; block < blocks.count; block++) sum += sums[block];
  *p.loss = static_cast<float>(sum / divisor);
}

template <void (*SoftmaxKernels::*kernel)(const SoftmaxRows&)>
constexpr Algorithm<SoftmaxProblem> kAlgorithms[] = {
#if defined(__x86_64__)
    {"rows_avx512", Isa::avx512, refuse_none,
     run<avx512::kSoftmaxKernels, kernel>},
    {"rows_avx2", Isa::avx2, refuse_none, run<avx2::kSoftmaxKernels, kernel>},
#elif defined(__aarch64__)
    {"rows_neon", Isa::neon, refuse_none, run<neon::kSoftmaxKernels, kernel>},
#endif
    {"ref", Isa::ref, refuse_none, run<ref::kSoftmaxKernels, kernel>},
};
const AlgorithmList kSoftmaxList("softmax",
                                 kAlgorithms<&SoftmaxKernels::softmax>);
const AlgorithmList kLogSoftmaxList("log_softmax",
                                    kAlgorithms<&SoftmaxKernels::log_softmax>);
const AlgorithmList kSoftmaxBackwardList(
    "softmax_backward", kAlgorithms<&SoftmaxKernels::softmax_backward>);
const AlgorithmList kLogSoftmaxBackwardList(
    "log_softmax_backward", kAlgorithms<&SoftmaxKernels::log_softmax_backward>);

const Algorithm<SoftmaxCrossEntropy> kCrossEntropy[] = {
#if defined(__x86_64__)
    {"rows_avx512", Isa::avx512, refuse_none,
     run_cross_entropy<avx512::kSoftmaxKernels>},
    {"rows_avx2", Isa::avx2, refuse_none,
     run_cross_entropy<avx2::kSoftmaxKernels>},
#elif defined(__aarch64__)
    {"rows_neon", Isa::neon, refuse_none,
     run_cross_entropy<neon::kSoftmaxKernels>},
#endif
    {"ref", Isa::ref, refuse_none, run_cross_entropy<ref::kSoftmaxKernels>},
};
const AlgorithmList kCrossEntropyList("softmax_cross_entropy", kCrossEntropy);

}  // namespace

void softmax(const SoftmaxProblem& problem) { kSoftmaxList.run(problem); }
void log_softmax(const SoftmaxProblem& problem) {
  kLogSoftmaxList.run(problem);
}
void softmax_backward(const SoftmaxProblem& problem) {
  kSoftmaxBackwardList.run(problem);
}
void log_softmax_backward(const SoftmaxProblem& problem) {
  kLogSoftmaxBackwardList.run(problem);
}
void softmax_cross_entropy(const SoftmaxCrossEntropy& problem) {
  kCrossEntropyList.run(problem);
}

bool labels_valid(const SoftmaxCrossEntropy& p) {
  const auto classes = static_cast<uint64_t>(p.C);
  bool valid = true;
  for (int64_t i = 0; i < p.rows; i++)
    // A negative label is a huge unsigned one.
    valid &= static_cast<uint64_t>(p.labels[i]) < classes ||
             (p.has_ignore_index && p.labels[i] == p.ignore_index);
  return valid;
}

}  // namespace tw::cpu
