// dW of a convolution under a max-pool, by the pixels that won their windows
// (conv2d_max_pool2d_kernels.h). A task is a chunk of images with sums of its
// own; the chunks' sums are added in order, and their cut follows from the
// shape, so the bits do not depend on the number of threads.
//
//   "winners": for each channel the image rows under the pixels that it won.
//   "quads":   few input channels under 2 x 2 windows, where a filter row is
//              too short for a vector: the vector is of output channels
//              instead, each picking its pixel out of four.
//   "spread":  everything else, through the gradient of the whole convolution
//              and the dense pass.
#include <vector>

#include "cpu/algorithm.h"
#include "cpu/conv2d_max_pool2d_backward.h"
#include "cpu/transpose.h"

namespace tw::cpu {
namespace {

constexpr int64_t kMaxQuadTaps = 64;
constexpr int64_t kMaxChunks = 8;
constexpr double kFlopsPerChunk = 1e6;

// How many chunks of images have sums of their own.
int64_t chunks_of(const PooledGradient& g) {
  const double flops =
      g.shape.flops() / static_cast<double>(g.window_h * g.window_w);
  return std::clamp<int64_t>(
      static_cast<int64_t>(flops / kFlopsPerChunk), 1,
      std::max<int64_t>(1, std::min(g.shape.n, kMaxChunks)));
}

// Sums of `size` floats over all images. Each chunk of images has its own,
// which are added in the chunks' order.
class ImageSums {
 public:
  ImageSums(const PooledGradient& g, int64_t size)
      : n_(g.shape.n),
        chunks_(chunks_of(g)),
        size_(size),
        step_(round_up(size, 16)),
        sums_(static_cast<size_t>(step_), static_cast<int>(chunks_)) {}

  // add(n, sums, worker) adds an image's share. The sums live as long as this.
  template <class Add>
  const float* over_images(int threads, Add add) {
    parallel_for(chunks_, threads, [&](int64_t chunk, int worker) {
      float* own = sums_.of(static_cast<int>(chunk));
      std::fill_n(own, size_, 0.0f);
      for (int64_t n = n_ * chunk / chunks_; n < n_ * (chunk + 1) / chunks_;
           n++)
        add(n, own, worker);
    });
    add_chunks();
    return sums_.of(0);
  }

 private:
  void add_chunks() {
    constexpr int64_t block = 4096;
    float* sums = sums_.of(0);
    parallel_for(ceil_div(size_, block),
                 threads_for_bytes(4.0 * static_cast<double>(size_ * chunks_)),
                 [&](int64_t task, int) {
                   const int64_t end = std::min(size_, (task + 1) * block);
                   for (int64_t chunk = 1; chunk < chunks_; chunk++)
                     for (int64_t i = task * block; i < end; i++)
                       sums[i] += sums[chunk * step_ + i];
                 });
  }

  const int64_t n_, chunks_, size_, step_;
  const Scratch sums_;
};

// dW as sums [k][r][s * c padded] over a chunk of images; for each channel the
// image rows under the pixels that it won, a band of pooled rows at a time so
// that these stay in the caches.
template <const PooledGradientKernels& kernels>
class WinnersOfChannels {
 public:
  explicit WinnersOfChannels(const ConvMaxPoolBackwardWeight& b)
      : b_(b),
        g_(b.gradient),
        d_(g_.shape),
        image_(g_),
        cut_(kernels, d_),
        step_(round_up(cut_.width, kernels.lanes)) {
    // In floating point: strides may be as large as they like.
    const double row_bytes = 4.0 * static_cast<double>(image_.row) *
                             static_cast<double>(g_.pool_stride_h) *
                             static_cast<double>(d_.stride_h);
    band_ = std::clamp<int64_t>(static_cast<int64_t>(kBandBytes / row_bytes), 1,
                                g_.pooled_p);
    list_ = band_ * g_.pooled_q;
  }

  int64_t step() const { return step_; }
  int64_t sum_floats() const { return d_.k * d_.r * step_; }
  size_t scratch_floats() const {
    // A vector may be read beyond the copy's end.
    return static_cast<size_t>(d_.k * (2 * list_ + 1)) + image_.floats() + 16;
  }

  void run(int64_t n, float* sums, float* scratch) const {
    float* gradients = scratch;
    auto* offsets = reinterpret_cast<int32_t*>(gradients + d_.k * list_);
    int32_t* counts = offsets + d_.k * list_;
    const float* x = image_.padded(b_.x + n * d_.h * d_.w * d_.c,
                                   reinterpret_cast<float*>(counts + d_.k));
    for (int64_t p = 0; p < g_.pooled_p; p += band_) {
      const int64_t end = std::min(p + band_, g_.pooled_p);
      collect(n, p, end, gradients, offsets, counts);
      for (int64_t r = 0; r < d_.r; r += cut_.rows())
        for (int64_t part = 0; part < cut_.parts; part++)
          add_row(r, part, x, gradients, offsets, counts, sums);
    }
  }

 private:
  static constexpr int64_t kBandBytes = 32 << 10;

  // The winning pixels of each channel, as offsets in the image.
  void collect(int64_t n, int64_t begin, int64_t end, float* gradients,
               int32_t* offsets, int32_t* counts) const {
    std::fill_n(counts, d_.k, 0);
    int32_t place[256] = {};
    const int64_t positions = g_.window_h * g_.window_w;
    for (int64_t p = begin; p < end; p++) {
      for (int64_t q = 0; q < g_.pooled_q; q++) {
        for (int64_t i = 0; i < positions; i++) {
          const int64_t h = p * g_.pool_stride_h + i / g_.window_w;
          const int64_t w = q * g_.pool_stride_w + i % g_.window_w;
          place[i] = static_cast<int32_t>(h * d_.stride_h * image_.row +
                                          w * d_.stride_w * d_.c);
        }
        const int64_t at = ((n * g_.pooled_p + p) * g_.pooled_q + q) * d_.k;
        const float* dy = g_.dy + at;
        const uint8_t* indices = g_.indices + at;
        for (int64_t k = 0; k < d_.k; k++) {
          const int64_t to = k * list_ + counts[k];
          gradients[to] = dy[k];
          offsets[to] = place[indices[k]];
          counts[k] += indices[k] != kNoGradientByte;
        }
      }
    }
  }

  void add_row(int64_t r, int64_t part, const float* x, const float* gradients,
               const int32_t* offsets, const int32_t* counts,
               float* sums) const {
    const int64_t begin = cut_.begin(part);
    for (int64_t k = 0; k < d_.k; k++)
      cut_.run({counts[k], gradients + k * list_, offsets + k * list_,
                x + r * d_.dilation_h * image_.row + begin,
                d_.dilation_h * image_.row,
                sums + (k * d_.r + r) * step_ + begin, step_,
                cut_.end(part) - begin});
  }

  const ConvMaxPoolBackwardWeight& b_;
  const PooledGradient& g_;
  const ConvShape& d_;
  const PaddedImage image_;
  const SumCut cut_;
  const int64_t step_;
  int64_t band_, list_;
};

template <const PooledGradientKernels& kernels>
void run_winners(const ConvMaxPoolBackwardWeight& b) {
  const PooledGradient& g = b.gradient;
  const ConvShape& d = g.shape;
  const int threads = threads_for(g);
  const WinnersOfChannels<kernels> winners(b);
  const int64_t size = winners.sum_floats() + d.k;
  const Scratch scratch(winners.scratch_floats(), threads);
  ImageSums sums(g, size);
  const float* total =
      sums.over_images(threads, [&](int64_t n, float* own, int worker) {
        winners.run(n, own, scratch.of(worker));
        const int64_t pixels = g.pooled_p * g.pooled_q, at = n * pixels * d.k;
        kernels.add_bias(g.dy + at, g.indices + at, pixels, d.k,
                         own + winners.sum_floats());
      });
  // [k][r][s * c] to [r][s * c][k].
  const int64_t width = d.s * d.c;
  parallel_for(d.r, threads_for_bytes(8.0 * static_cast<double>(size)),
               [&](int64_t r, int) {
                 transpose({total + r * winners.step(), d.r * winners.step(),
                            d.k, width, b.dweight + r * width * d.k, d.k});
               });
  std::copy_n(total + winners.sum_floats(), d.k, b.dbias);
}

template <const PooledGradientKernels& kernels>
void run_quads(const ConvMaxPoolBackwardWeight& b) {
  const PooledGradient& g = b.gradient;
  const ConvShape& d = g.shape;
  const int threads = threads_for(g);
  const PaddedImage image(g);
  const int64_t h = image.h - d.stride_h, w = image.w - d.stride_w;
  const int64_t taps = d.r * d.s * d.c, pixels = g.pooled_p * g.pooled_q;
  std::vector<int32_t> tap_offset, pixel_offset;
  for (int64_t t = 0; t < taps; t++) {
    const int64_t r = t / d.c / d.s, s = t / d.c % d.s;
    tap_offset.push_back(static_cast<int32_t>(
        4 * ((r * d.dilation_h * w + s * d.dilation_w) * d.c + t % d.c)));
  }
  for (int64_t i = 0; i < pixels; i++) {
    const int64_t p = i / g.pooled_q * g.pool_stride_h * d.stride_h;
    const int64_t q = i % g.pooled_q * g.pool_stride_w * d.stride_w;
    pixel_offset.push_back(static_cast<int32_t>(4 * (p * w + q) * d.c));
  }
  const size_t quad_floats = static_cast<size_t>(4 * h * w * d.c);
  const Scratch scratch(quad_floats + image.floats(), threads);
  ImageSums sums(g, (taps + 1) * d.k);
  const float* total =
      sums.over_images(threads, [&](int64_t n, float* own, int worker) {
        float* quads = scratch.of(worker);
        const float* x =
            image.padded(b.x + n * d.h * d.w * d.c, quads + quad_floats);
        for (int64_t i = 0; i < h; i++)
          kernels.fill_quads(x + i * image.row, w * d.c, d.stride_w * d.c,
                             d.stride_h * image.row, quads + 4 * i * w * d.c);
        kernels.quad_sums({pixels, d.k, taps, g.dy + n * pixels * d.k,
                           g.indices + n * pixels * d.k, quads,
                           pixel_offset.data(), tap_offset.data(), own});
      });
  std::copy_n(total, taps * d.k, b.dweight);
  std::copy_n(total + taps * d.k, d.k, b.dbias);
}

void run_spread(const ConvMaxPoolBackwardWeight& b) {
  const SpreadGradient spread(b.gradient);
  conv2d_backward_weight(
      {b.gradient.shape, b.x, spread.dy(), b.dweight, b.dbias});
}

const char* refuse_winners(const ConvMaxPoolBackwardWeight& b) {
  return refuse_winners(b.gradient);
}
const char* slower_winners(const ConvMaxPoolBackwardWeight& b) {
  return slower_winners(b.gradient);
}

const char* refuse_quads(const ConvMaxPoolBackwardWeight& b) {
  const PooledGradient& g = b.gradient;
  const ConvShape& d = g.shape;
  if (d.groups != 1) return "groups";
  if (g.window_h != 2 || g.window_w != 2) return "a window other than 2 x 2";
  if (d.r * d.s * d.c > kMaxQuadTaps) return "many taps and channels";
  return 4 * padded_floats(g) < INT32_MAX ? nullptr : "offsets beyond 32 bits";
}

const char* slower_quads(const ConvMaxPoolBackwardWeight& b) {
  return b.gradient.shape.c < 8 ? nullptr : "eight channels or more";
}

const Algorithm<ConvMaxPoolBackwardWeight> kAlgorithms[] = {
#if defined(__x86_64__)
    {"quads_avx512", Isa::avx512, refuse_quads,
     run_quads<avx512::kPooledGradient>, slower_quads},
    {"winners_avx512", Isa::avx512, refuse_winners,
     run_winners<avx512::kPooledGradient>, slower_winners},
    {"quads_avx2", Isa::avx2, refuse_quads, run_quads<avx2::kPooledGradient>,
     slower_quads},
    {"winners_avx2", Isa::avx2, refuse_winners,
     run_winners<avx2::kPooledGradient>, slower_winners},
#elif defined(__aarch64__)
    {"quads_neon", Isa::neon, refuse_quads, run_quads<neon::kPooledGradient>,
     slower_quads},
    {"winners_neon", Isa::neon, refuse_winners,
     run_winners<neon::kPooledGradient>, slower_winners},
#endif
    {"spread", Isa::ref, refuse_none, run_spread},
};
const AlgorithmList kList("conv2d_max_pool2d_backward_weight", kAlgorithms);

}  // namespace

void conv2d_max_pool2d_backward_weight(
    const ConvMaxPoolBackwardWeight& problem) {
  const ConvShape& d = problem.gradient.shape;
  if (d.n == 0) {
    std::fill_n(problem.dweight, d.r * d.s * d.group_c() * d.k, 0.0f);
    std::fill_n(problem.dbias, d.k, 0.0f);
    return;
  }
  kList.run(problem);
}

}  // namespace tw::cpu
