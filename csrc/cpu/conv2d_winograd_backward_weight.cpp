// Backward-weight by the adjoint of Winograd's filtering: at each of the a * a
// positions one product (C x tiles)(tiles x K) instead of nine products over
// all pixels.
//
// A block of tiles is transformed whole, patches of x to V and of dy to M, and
// then multiplied, the positions shared among the threads: no patch is
// transformed twice, and a position's sums (C x K), which pass through the L2
// cache once a block, belong to one task. Blocks are as many tiles as keep V
// and M in the caches, but no fewer than make the products worth the pass of
// the sums. Tiles are added in order: the bits do not depend on the threads.
#include <algorithm>

#include "common/integers.h"
#include "cpu/allocator.h"
#include "cpu/conv2d_winograd.h"
#include "cpu/conv2d_winograd_tiles.h"
#include "cpu/elementwise.h"
#include "cpu/parallel.h"

namespace tw::cpu {
namespace {

constexpr int64_t kBlockBytes = 4 << 20;  // of V and M
constexpr int64_t kLeastTiles = 96;       // a block
constexpr int64_t kTilesPerTask = 8;
constexpr int kRowsPerTask = 112;  // channels
constexpr int64_t kColumnsPerTask = 64;
constexpr int64_t kPad = 16;

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
        columns_(round_up(d_.k, mk.lanes)),
        v_row_(spread(d_.c)),
        m_row_(spread(columns_)) {
    const int64_t tile_bytes = 4 * positions_ * (v_row_ + m_row_);
    blocks_ = std::max<int64_t>(
        1, ceil_div(tiles_.count(),
                    std::max(kBlockBytes / tile_bytes, kLeastTiles)));
    block_ = ceil_div(tiles_.count(), blocks_);
    v_plane_ = block_ * v_row_ + kPad;
    m_plane_ = block_ * m_row_ + kPad;
  }

  void run_all(int threads) const {
    const Scratch v(static_cast<size_t>(positions_ * v_plane_), 1);
    const Scratch m(static_cast<size_t>(positions_ * m_plane_), 1);
    const Scratch sums(static_cast<size_t>(positions_ * d_.c * columns_), 1);
    const Scratch biases(static_cast<size_t>(d_.k), static_cast<int>(blocks_));
    const Scratch edges(static_cast<size_t>(positions_ * std::max(d_.c, d_.k)),
                        threads);
    for (int64_t block = 0; block < blocks_; block++) {
      const int64_t begin = tiles_.count() * block / blocks_;
      const int64_t count = tiles_.count() * (block + 1) / blocks_ - begin;
      parallel_for(ceil_div(count, kTilesPerTask), threads,
                   [&](int64_t task, int worker) {
                     const int64_t last =
                         std::min(count, (task + 1) * kTilesPerTask);
                     for (int64_t t = task * kTilesPerTask; t < last; t++) {
                       prefetch(begin + t + 1);
                       transform(tiles_[begin + t], v.of(0) + t * v_row_,
                                 m.of(0) + t * m_row_, edges.of(worker));
                     }
                   });
      // Position (1, 1) of a tile of dy is the sum of the tile.
      bias_gradient({m.of(0) + (a_ + 1) * m_plane_, m_row_, count, d_.k,
                     biases.of(static_cast<int>(block))});
      const RowTiles parts(d_.c, kRowsPerTask);
      parallel_for(positions_ * parts.count, threads, [&](int64_t task, int) {
        const int64_t i = task / parts.count;
        const int64_t part = task % parts.count;
        const int64_t row = parts.begin(part);
        add_transposed_product(
            mk_,
            {count, parts.size(part), columns_, v.of(0) + i * v_plane_ + row,
             v_row_, m.of(0) + i * m_plane_, m_row_,
             sums.of(0) + (i * d_.c + row) * columns_, columns_, block > 0});
      });
    }
    bias_gradient({biases.of(0), blocks_ > 1 ? biases.of(1) - biases.of(0) : 0,
                   blocks_, d_.k, b_.dbias});
    const int64_t column_parts = ceil_div(d_.k, kColumnsPerTask);
    parallel_for(d_.c * column_parts, threads, [&](int64_t task, int) {
      transform_back(sums.of(0), task / column_parts,
                     task % column_parts * kColumnsPerTask);
    });
  }

 private:
  // What a tile needs beyond the tile to its left.
  void prefetch(int64_t tile) const {
    if (tile >= tiles_.count()) return;
    const WinogradTiles::Tile at = tiles_[tile];
    prefetch_out(b_.x + at.n * d_.h * d_.w * d_.c, d_.h, d_.w, d_.c,
                 at.top - d_.pad_top, at.left - d_.pad_left + 2, a_, wk_.m);
    prefetch_out(b_.dy + at.n * d_.p * d_.q * d_.k, d_.p, d_.q, d_.k, at.top,
                 at.left, wk_.m, wk_.m);
  }

  void transform(const WinogradTiles::Tile& at, float* v, float* m,
                 float* edge) const {
    wk_.input(cut_out(b_.x + at.n * d_.h * d_.w * d_.c, d_.h, d_.w, d_.c,
                      at.top - d_.pad_top, at.left - d_.pad_left, a_, edge),
              {v, a_ * v_plane_, v_plane_}, d_.c);
    wk_.gradient(cut_out(b_.dy + at.n * d_.p * d_.q * d_.k, d_.p, d_.q, d_.k,
                         at.top, at.left, wk_.m, edge),
                 {m, a_ * m_plane_, m_plane_}, d_.k);
  }

  void transform_back(const float* sums, int64_t channel,
                      int64_t column) const {
    const int64_t plane = d_.c * columns_;
    wk_.weight_gradient(
        {sums + channel * columns_ + column, a_ * plane, plane},
        {b_.dweight + channel * d_.k + column, 3 * d_.c * d_.k, d_.c * d_.k},
        std::min(kColumnsPerTask, d_.k - column));
  }

  const ConvBackwardWeight& b_;
  const ConvShape& d_;
  const MicroKernels& mk_;
  const WinogradKernels& wk_;
  const int64_t a_, positions_;
  const WinogradTiles tiles_;
  const int64_t columns_;  // sums have K of them, and what fills a vector
  const int64_t v_row_, m_row_;
  int64_t blocks_, block_, v_plane_, m_plane_;
};

}  // namespace

void run_winograd(const ConvBackwardWeight& problem, const MicroKernels& mk,
                  const WinogradKernels& wk) {
  WinogradBackwardWeight(problem, mk, wk)
      .run_all(threads_for_flops(problem.shape.flops()));
}

}  // namespace tw::cpu
