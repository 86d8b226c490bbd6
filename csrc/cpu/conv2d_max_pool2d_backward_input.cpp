// dx of a convolution under a max-pool, by the pixels that won their windows
// (conv2d_max_pool2d_kernels.h): for each of them the filter rows of the
// channels that it won, scaled and added, out of weights laid [r][k][s * c]. A
// task is an image and adds in the order of the pixels, so the bits do not
// depend on the number of threads. What these sums do not take ("spread") goes
// through the gradient of the whole convolution and the dense pass.
#include "cpu/algorithm.h"
#include "cpu/conv2d_max_pool2d_backward.h"
#include "cpu/transpose.h"

namespace tw::cpu {
namespace {

// Weights as [r][k][s * c padded to vectors], which a scaled sum reads.
class RowsOfWeights {
 public:
  RowsOfWeights(const float* weight, const ConvShape& d, int lanes, int threads)
      : d_(d),
        step_(round_up(d.s * d.c, lanes)),
        rows_(static_cast<size_t>(d.r * d.k * step_), 1) {
    parallel_for(d.r * ceil_div(d.k, kBlock), threads,
                 [&](int64_t task, int) { fill(weight, task); });
  }
  int64_t step() const { return step_; }
  const float* row(int64_t r) const { return rows_.of(0) + r * d_.k * step_; }

 private:
  static constexpr int64_t kBlock = 16;

  void fill(const float* weight, int64_t task) const {
    const int64_t blocks = ceil_div(d_.k, kBlock);
    const int64_t r = task / blocks, k0 = task % blocks * kBlock;
    const int64_t k1 = std::min(k0 + kBlock, d_.k), width = d_.s * d_.c;
    const float* from = weight + r * width * d_.k;
    float* to = rows_.of(0) + r * d_.k * step_;
    transpose({from + k0, d_.k, width, k1 - k0, to + k0 * step_, step_});
    for (int64_t k = k0; k < k1; k++)
      std::fill(to + k * step_ + width, to + (k + 1) * step_, 0.0f);
  }

  const ConvShape& d_;
  int64_t step_;
  Scratch rows_;
};

// dx of one image, a pooled row at a time: its pixels' channels are sorted by
// the position that won, then filter row by filter row the sums are added.
template <const PooledGradientKernels& kernels>
class WinnersOfImage {
 public:
  WinnersOfImage(const PooledGradient& g, const RowsOfWeights& weights)
      : g_(g),
        d_(g.shape),
        weights_(weights),
        image_(g),
        cut_(kernels, d_),
        positions_(g.window_h * g.window_w),
        list_(round_up(d_.k, 16) + kernels.lanes),
        lists_(g.pooled_q * positions_) {}

  size_t scratch_floats() const {
    return static_cast<size_t>(lists_ * (2 * list_ + 1)) + image_.floats() + 16;
  }

  void run(int64_t n, float* dx, float* scratch) const {
    float* gradients = scratch;
    auto* offsets = reinterpret_cast<int32_t*>(gradients + lists_ * list_);
    int32_t* counts = offsets + lists_ * list_;
    float* image = dx + n * d_.h * d_.w * d_.c;
    float* out =
        image_.in_place ? image : reinterpret_cast<float*>(counts + lists_);
    std::fill_n(out, image_.h * image_.row, 0.0f);
    for (int64_t p = 0; p < g_.pooled_p; p++) {
      const int64_t at = (n * g_.pooled_p + p) * g_.pooled_q * d_.k;
      for (int64_t q = 0; q < g_.pooled_q; q++) {
        const int64_t first = q * positions_;
        kernels.sort(g_.dy + at + q * d_.k, g_.indices + at + q * d_.k, d_.k,
                     positions_, list_, gradients + first * list_,
                     offsets + first * list_, counts + first);
        for (int64_t i = first; i < first + positions_; i++)
          for (int64_t j = 0; j < counts[i]; j++)
            offsets[i * list_ + j] *= static_cast<int32_t>(weights_.step());
      }
      for (int64_t r = 0; r < d_.r; r += cut_.rows())
        for (int64_t part = 0; part < cut_.parts; part++)
          add_row(p, r, part, gradients, offsets, counts, out);
    }
    image_.copy_out(out, image);
  }

 private:
  void add_row(int64_t p, int64_t r, int64_t part, const float* gradients,
               const int32_t* offsets, const int32_t* counts,
               float* out) const {
    const int64_t begin = cut_.begin(part);
    for (int64_t list = 0; list < lists_; list++) {
      if (counts[list] == 0) continue;
      const int64_t q = list / positions_, position = list % positions_;
      const int64_t i = p * g_.pool_stride_h + position / g_.window_w;
      const int64_t j = q * g_.pool_stride_w + position % g_.window_w;
      const int64_t h = i * d_.stride_h + r * d_.dilation_h;
      cut_.run({counts[list], gradients + list * list_, offsets + list * list_,
                weights_.row(r) + begin, d_.k * weights_.step(),
                out + h * image_.row + j * d_.stride_w * d_.c + begin,
                d_.dilation_h * image_.row, cut_.end(part) - begin});
    }
  }

  const PooledGradient& g_;
  const ConvShape& d_;
  const RowsOfWeights& weights_;
  const PaddedImage image_;
  const SumCut cut_;
  const int64_t positions_, list_, lists_;
};

template <const PooledGradientKernels& kernels>
void run_winners(const ConvMaxPoolBackwardInput& b) {
  const PooledGradient& g = b.gradient;
  const int threads = threads_for(g);
  const RowsOfWeights weights(b.weight, g.shape, kernels.lanes, threads);
  const WinnersOfImage<kernels> winners(g, weights);
  const Scratch scratch(winners.scratch_floats(), threads);
  parallel_for(g.shape.n, threads, [&](int64_t n, int worker) {
    winners.run(n, b.dx, scratch.of(worker));
  });
}

void run_spread(const ConvMaxPoolBackwardInput& b) {
  const SpreadGradient spread(b.gradient);
  conv2d_backward_input({b.gradient.shape, spread.dy(), b.weight, b.dx});
}

const char* refuse_winners(const ConvMaxPoolBackwardInput& b) {
  return refuse_winners(b.gradient);
}
const char* slower_winners(const ConvMaxPoolBackwardInput& b) {
  return slower_winners(b.gradient);
}

const Algorithm<ConvMaxPoolBackwardInput> kAlgorithms[] = {
#if defined(__x86_64__)
    {"winners_avx512", Isa::avx512, refuse_winners,
     run_winners<avx512::kPooledGradient>, slower_winners},
    {"winners_avx2", Isa::avx2, refuse_winners,
     run_winners<avx2::kPooledGradient>, slower_winners},
#elif defined(__aarch64__)
    {"winners_neon", Isa::neon, refuse_winners,
     run_winners<neon::kPooledGradient>, slower_winners},
#endif
    {"spread", Isa::ref, refuse_none, run_spread},
};
const AlgorithmList kList("conv2d_max_pool2d_backward_input", kAlgorithms);

}  // namespace

void conv2d_max_pool2d_backward_input(const ConvMaxPoolBackwardInput& problem) {
  kList.run(problem);
}

}  // namespace tw::cpu
