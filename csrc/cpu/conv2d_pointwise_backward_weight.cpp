// dW of a 1 x 1 convolution is one product, X^T dY, as deep as there are
// pixels. It is cut into parts of channels x outputs whose sums stay in the L2
// cache, the pixels into chunks. A task copies its part of a block of pixels of
// x and of dy, a stride leaving pixels out, to rows that don't collide in the
// caches, and adds their product to sums of its own; the chunks' sums are added
// in order. Both cuts follow from the shape alone.
#include <algorithm>
#include <cstring>

#include "common/integers.h"
#include "cpu/allocator.h"
#include "cpu/chunk_sums.h"
#include "cpu/conv2d_pointwise.h"
#include "cpu/elementwise.h"
#include "cpu/parallel.h"

namespace tw::cpu {
namespace {

constexpr int64_t kPartChannels = 256, kPartColumns = 256;
constexpr int64_t kBlockBytes = 256 << 10;  // of x and dy
constexpr int64_t kLeastPixels = 64;        // a block
constexpr double kFlopsPerTask = 1e7;
constexpr int64_t kMostTasks = 16;

class PointwiseBackwardWeight {
 public:
  PointwiseBackwardWeight(const ConvBackwardWeight& problem,
                          const MicroKernels& mk)
      : b_(problem),
        d_(problem.shape),
        mk_(mk),
        pixels_(d_.n * d_.p * d_.q),
        channel_parts_(ceil_div(d_.c, kPartChannels)),
        column_parts_(ceil_div(d_.k, kPartColumns)),
        part_channels_(ceil_div(d_.c, channel_parts_)),
        part_columns_(round_up(ceil_div(d_.k, column_parts_), mk.lanes)),
        x_row_(spread(part_channels_)),
        dy_row_(spread(part_columns_)) {
    const auto wanted = static_cast<int64_t>(d_.flops() / kFlopsPerTask);
    chunks_ =
        std::clamp<int64_t>(ceil_div(std::min(wanted, kMostTasks), parts()), 1,
                            std::max<int64_t>(1, pixels_ / kLeastPixels));
    block_ = std::max(kLeastPixels, kBlockBytes / 4 / (x_row_ + dy_row_));
  }

  void run_all(int threads) const {
    const ChunkSums sums(b_.dweight, d_.c * d_.k, chunks_);
    const ChunkSums biases(b_.dbias, d_.k, chunks_);
    const Scratch scratch(
        static_cast<size_t>(block_ * (x_row_ + dy_row_) + part_columns_),
        threads);
    parallel_for(parts() * chunks_, threads, [&](int64_t task, int worker) {
      run(task / chunks_, task % chunks_, sums.of(task % chunks_),
          biases.of(task % chunks_), scratch.of(worker));
    });
    sums.add_up();
    biases.add_up();
  }

 private:
  int64_t parts() const { return channel_parts_ * column_parts_; }

  void run(int64_t part, int64_t chunk, float* sums, float* biases,
           float* scratch) const {
    const int64_t channel = part / column_parts_ * part_channels_;
    const int64_t column = part % column_parts_ * part_columns_;
    const int64_t channels = std::min(part_channels_, d_.c - channel);
    const int64_t columns = std::min(part_columns_, d_.k - column);
    const int64_t first = pixels_ * chunk / chunks_;
    const int64_t last = pixels_ * (chunk + 1) / chunks_;
    float* x = scratch;
    float* dy = x + block_ * x_row_;
    float* bias = dy + block_ * dy_row_;
    if (channel == 0) std::fill_n(biases + column, columns, 0.0f);
    if (columns % mk_.lanes)  // the micro-kernel reads whole vectors
      std::fill_n(dy, block_ * dy_row_, 0.0f);
    float* to = sums + channel * d_.k + column;
    for (int64_t begin = first; begin < last; begin += block_) {
      const int64_t count = std::min(block_, last - begin);
      copy_x(begin, count, channel, channels, x);
      for (int64_t i = 0; i < count; i++)
        std::memcpy(dy + i * dy_row_, b_.dy + (begin + i) * d_.k + column,
                    static_cast<size_t>(columns) * sizeof(float));
      add_transposed_product(mk_, {count, channels, columns, x, x_row_, dy,
                                   dy_row_, to, d_.k, begin > first});
      if (channel > 0) continue;
      bias_gradient({dy, dy_row_, count, columns, bias});
      for (int64_t j = 0; j < columns; j++) biases[column + j] += bias[j];
    }
  }

  void copy_x(int64_t begin, int64_t count, int64_t channel, int64_t channels,
              float* to) const {
    for (int64_t i = begin; i < begin + count; i++, to += x_row_) {
      const int64_t n = i / (d_.p * d_.q);
      const int64_t h = i / d_.q % d_.p * d_.stride_h;
      const int64_t w = i % d_.q * d_.stride_w;
      std::memcpy(to, b_.x + ((n * d_.h + h) * d_.w + w) * d_.c + channel,
                  static_cast<size_t>(channels) * sizeof(float));
    }
  }

  const ConvBackwardWeight& b_;
  const ConvShape& d_;
  const MicroKernels& mk_;
  const int64_t pixels_, channel_parts_, column_parts_;
  const int64_t part_channels_, part_columns_, x_row_, dy_row_;
  int64_t chunks_, block_;
};

}  // namespace

void run_pointwise(const ConvBackwardWeight& problem, const MicroKernels& mk) {
  const ConvShape& d = problem.shape;
  PointwiseBackwardWeight(problem, mk).run_all(threads_for_flops(d.flops()));
}

const char* slower_pointwise(const ConvBackwardWeight& b) {
  const ConvShape& d = b.shape;
  return 60 * (d.c + d.k) <= d.c * d.k ? nullptr
                                       : "too few channels for the copies";
}

const char* refuse_not_pointwise(const ConvBackwardWeight& b) {
  const ConvShape& d = b.shape;
  if (d.r != 1 || d.s != 1) return "not 1 x 1";
  if (d.groups != 1) return "groups";
  const bool inside = d.pad_top == 0 && d.pad_left == 0 &&
                      (d.p - 1) * d.stride_h < d.h &&
                      (d.q - 1) * d.stride_w < d.w;
  return inside ? nullptr : "padding";
}

}  // namespace tw::cpu
