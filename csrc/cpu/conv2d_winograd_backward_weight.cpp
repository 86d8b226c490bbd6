// Backward-weight by the adjoint of Winograd's filtering: at each of the a * a
// positions one product (C x tiles)(tiles x K) instead of nine products over
// all pixels.
//
// dW is cut into parts of channels x outputs whose sums stay in the L2 cache,
// the tiles into chunks; a task transforms the patches of x and dy for one part
// of one chunk, a block of tiles at a time, and adds their products to sums of
// its own. The chunks' sums are added in order and transformed back. Both cuts
// follow from the shape alone, so the bits do not depend on the threads.
#include <algorithm>

#include "common/integers.h"
#include "cpu/allocator.h"
#include "cpu/conv2d_winograd.h"
#include "cpu/conv2d_winograd_tiles.h"
#include "cpu/elementwise.h"
#include "cpu/parallel.h"

namespace tw::cpu {
namespace {

constexpr int64_t kPartChannels = 64, kPartColumns = 64;
constexpr int64_t kBlockBytes = 256 << 10;  // of transformed patches
constexpr int64_t kLeastTiles = 16;         // a block
constexpr double kFlopsPerTask = 4e7;
constexpr int64_t kMaxTasks = 8;
constexpr int64_t kPad = 16;  // keeps positions off each other's cache sets

class WinogradBackwardWeight {
 public:
  WinogradBackwardWeight(const ConvBackwardWeight& problem,
                         const MicroKernels& mk, const WinogradKernels& wk)
      : b_(problem),
        d_(problem.shape),
        mk_(mk),
        wk_(wk),
        a_(wk.m + 2),
        positions_(a_ * a_),
        tiles_(d_.n, d_.p, d_.q, wk.m),
        channel_parts_(ceil_div(d_.c, kPartChannels)),
        column_parts_(ceil_div(d_.k, kPartColumns)),
        part_channels_(ceil_div(d_.c, channel_parts_)),
        part_columns_(round_up(ceil_div(d_.k, column_parts_), mk.lanes)),
        v_row_(round_up(part_channels_, kPad)),
        m_row_(part_columns_) {
    const auto wanted = static_cast<int64_t>(d_.flops() / kFlopsPerTask);
    chunks_ =
        std::clamp<int64_t>(ceil_div(std::min(wanted, kMaxTasks), parts()), 1,
                            ceil_div(tiles_.count(), kLeastTiles));
    const int64_t fitting = kBlockBytes / (4 * positions_ * (v_row_ + m_row_));
    block_ = std::max(fitting, kLeastTiles);
    v_plane_ = block_ * v_row_ + kPad;
    m_plane_ = block_ * m_row_ + kPad;
  }

  void run_all(int threads) const {
    const Scratch sums(static_cast<size_t>(sum_floats()),
                       static_cast<int>(parts() * chunks_));
    const Scratch scratch(
        static_cast<size_t>(positions_ * (v_plane_ + m_plane_) +
                            a_ * a_ * std::max(part_channels_, part_columns_)),
        threads);
    parallel_for(parts() * chunks_, threads, [&](int64_t task, int worker) {
      run(task / chunks_, task % chunks_, sums.of(static_cast<int>(task)),
          scratch.of(worker));
    });
    parallel_for(d_.c * column_parts_, threads, [&](int64_t task, int) {
      transform_back(task / column_parts_, task % column_parts_, sums);
    });
  }

 private:
  int64_t parts() const { return channel_parts_ * column_parts_; }
  int64_t sum_floats() const {
    return positions_ * part_channels_ * part_columns_;
  }

  void run(int64_t part, int64_t chunk, float* sums, float* scratch) const {
    const int64_t channel = part / column_parts_ * part_channels_;
    const int64_t column = part % column_parts_ * part_columns_;
    const int64_t channels = std::min(part_channels_, d_.c - channel);
    const int64_t columns = std::min(part_columns_, d_.k - column);
    const int64_t first = tiles_.count() * chunk / chunks_;
    const int64_t last = tiles_.count() * (chunk + 1) / chunks_;
    float* v = scratch;
    float* m = v + positions_ * v_plane_;
    float* edge = m + positions_ * m_plane_;
    // Columns that no output has are multiplied with the rest.
    if (columns < part_columns_) std::fill_n(m, positions_ * m_plane_, 0.0f);
    for (int64_t begin = first; begin < last; begin += block_) {
      const int64_t count = std::min(block_, last - begin);
      for (int64_t t = 0; t < count; t++) {
        const WinogradTiles::Tile at = tiles_[begin + t];
        wk_.input(cut_out(b_.x + at.n * d_.h * d_.w * d_.c, d_.h, d_.w, d_.c,
                          at.top - d_.pad_top, at.left - d_.pad_left, a_,
                          channel, channels, edge),
                  {v + t * v_row_, a_ * v_plane_, v_plane_}, channels);
        wk_.gradient(
            cut_out(b_.dy + at.n * d_.p * d_.q * d_.k, d_.p, d_.q, d_.k, at.top,
                    at.left, wk_.m, column, columns, edge),
            {m + t * m_row_, a_ * m_plane_, m_plane_}, columns);
      }
      for (int64_t i = 0; i < positions_; i++)
        add_product(v + i * v_plane_, m + i * m_plane_, count, channels,
                    sums + i * part_channels_ * part_columns_, begin > first);
    }
  }

  // sums (channels x columns) += V^T M over `count` tiles.
  void add_product(const float* v, const float* m, int64_t count,
                   int64_t channels, float* sums, bool accumulate) const {
    const RowTiles tiles(channels, mk_.max_rows);
    for (int64_t j = 0; j < part_columns_; j += 2 * mk_.lanes) {
      const int vectors = part_columns_ - j <= mk_.lanes ? 1 : 2;
      const float* b = m + j;
      for (int64_t t = 0; t < tiles.count; t++) {
        const int rows = tiles.size(t);
        const float* a = v + tiles.begin(t);
        float* c[kMaxTileRows];
        for (int i = 0; i < rows; i++)
          c[i] = sums + (tiles.begin(t) + i) * part_columns_ + j;
        mk_.columns[vectors][rows](
            {1,
             count,
             &a,
             v_row_,
             &b,
             m_row_,
             {c, vectors * mk_.lanes, nullptr, accumulate, Activation::none}});
      }
    }
  }

  void transform_back(int64_t channel, int64_t column_part,
                      const Scratch& sums) const {
    const int64_t part = channel / part_channels_ * column_parts_ + column_part;
    const int64_t column = column_part * part_columns_;
    const int64_t columns = std::min(part_columns_, d_.k - column);
    const int64_t plane = part_channels_ * part_columns_;
    const auto first = static_cast<int>(part * chunks_);
    const int64_t row = channel % part_channels_ * part_columns_;
    float* total = sums.of(first) + row;
    for (int64_t chunk = 1; chunk < chunks_; chunk++) {
      const float* other = sums.of(first + static_cast<int>(chunk)) + row;
      for (int64_t i = 0; i < positions_; i++)
        for (int64_t j = 0; j < columns; j++)
          total[i * plane + j] += other[i * plane + j];
    }
    wk_.weight_gradient(
        {total, a_ * plane, plane},
        {b_.dweight + channel * d_.k + column, 3 * d_.c * d_.k, d_.c * d_.k},
        columns);
  }

  const ConvBackwardWeight& b_;
  const ConvShape& d_;
  const MicroKernels& mk_;
  const WinogradKernels& wk_;
  const int64_t a_, positions_;
  const WinogradTiles tiles_;
  const int64_t channel_parts_, column_parts_, part_channels_, part_columns_;
  const int64_t v_row_, m_row_;
  int64_t chunks_, block_, v_plane_, m_plane_;
};

}  // namespace

void run_winograd(const ConvBackwardWeight& problem, const MicroKernels& mk,
                  const WinogradKernels& wk) {
  WinogradBackwardWeight(problem, mk, wk)
      .run_all(threads_for_flops(problem.shape.flops()));
  const ConvShape& d = problem.shape;
  bias_gradient({problem.dy, d.n * d.p * d.q, d.k, problem.dbias});
}

}  // namespace tw::cpu
