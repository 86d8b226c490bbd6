// Threads take blocks of a fixed number of elements; their sums are added in
// block order, in double, so the bits do not depend on the number of threads.
#include "cpu/elementwise_loss.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "common/integers.h"
#include "cpu/algorithm.h"
#include "cpu/allocator.h"
#include "cpu/elementwise_loss_kernels.h"
#include "cpu/parallel.h"

namespace tw::cpu {
namespace {

constexpr int64_t kBlock = 4096;

bool has_logarithms(LossKind kind) {
  return kind == LossKind::binary_cross_entropy ||
         kind == LossKind::binary_cross_entropy_with_logits;
}

template <const ElementwiseLossKernel& kernel>
void run(const ElementwiseLoss& p) {
  const auto count = static_cast<double>(p.count);
  const bool mean = p.reduction == Reduction::mean;
  const float scale = mean ? static_cast<float>(1 / count) : 1;
  const int64_t blocks = ceil_div(p.count, kBlock);
  // Doubles, in a scratch of floats.
  const Scratch memory(static_cast<size_t>(2 * blocks), 1);
  auto* sums = reinterpret_cast<double*>(memory.of(0));
  // A logarithm takes as long as what some 16 bytes more do.
  const double bytes = (has_logarithms(p.kind) ? 36 : 12) * count;
  parallel_for(blocks, threads_for_bytes(bytes), [&](int64_t block, int) {
    const int64_t begin = block * kBlock;
    float* losses = p.reduction == Reduction::none ? p.loss + begin : nullptr;
    sums[block] =
        kernel({p.kind, p.delta, scale, std::min(kBlock, p.count - begin),
                p.x + begin, p.target + begin, losses, p.dx + begin});
  });
  if (p.reduction == Reduction::none) return;
  double sum = 0;
  for (int64_t block = 0; block < blocks; block++) sum += sums[block];
  // The mean of nothing is 0 / 0.
  *p.loss = static_cast<float>(mean ? sum / count : sum);
}

const Algorithm<ElementwiseLoss> kAlgorithms[] = {
#if defined(__x86_64__)
    {"blocks_avx512", Isa::avx512, refuse_none,
     run<avx512::kElementwiseLossKernel>},
    {"blocks_avx2", Isa::avx2, refuse_none, run<avx2::kElementwiseLossKernel>},
#elif defined(__aarch64__)
    {"blocks_neon", Isa::neon, refuse_none, run<neon::kElementwiseLossKernel>},
#endif
    {"ref", Isa::ref, refuse_none, run<ref::kElementwiseLossKernel>},
};
const AlgorithmList kList("elementwise_loss", kAlgorithms);

}  // namespace

void elementwise_loss(const ElementwiseLoss& problem) { kList.run(problem); }

void expect_probabilities(const ElementwiseLoss& p) {
  if (p.kind != LossKind::binary_cross_entropy || p.count == 0) return;
  // Another number's loss is NaN, and so is the sum.
  if (p.reduction != Reduction::none && !std::isnan(*p.loss)) return;
  float least = INFINITY, most = -INFINITY;
  for (int64_t i = 0; i < p.count; i++) {
    if (p.x[i] < least) least = p.x[i];
    if (p.x[i] > most) most = p.x[i];
  }
  if (!(least < 0 || most > 1)) return;
  char text[200];
  std::snprintf(text, sizeof(text),
                "binary_cross_entropy: x must be probabilities in [0, 1], got "
                "values in [%g, %g]; for logits there is "
                "binary_cross_entropy_with_logits",
                static_cast<double>(least), static_cast<double>(most));
  throw std::invalid_argument(text);
}

}  // namespace tw::cpu
