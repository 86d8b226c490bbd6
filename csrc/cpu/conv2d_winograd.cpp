// Forward and backward-input. A task takes a block of tiles and a block of
// output channels: it transforms the patches (V), multiplies them at each of
// the a * a positions with the transformed filters (U), and transforms the
// products (M) back, with bias, activation and pooling on the way to memory. V
// and M stay in the L2 cache; U, which is packed into the micro-kernel's panels
// once, passes through it once a task. A three-stage Winograd that stores V and
// M whole is bound by memory instead (Gelashvili et al., "L3 Fusion: Fast
// Transformed Convolutions on CPUs", arXiv:1912.02165).
//
// All cuts follow from the shape, and each output is summed by one task, over
// channels in order: the bits do not depend on the number of threads.
#include "cpu/conv2d_winograd.h"

#include <algorithm>

#include "common/integers.h"
#include "cpu/allocator.h"
#include "cpu/conv2d_winograd_tiles.h"
#include "cpu/parallel.h"
#include "cpu/streaming.h"
#include "cpu/transpose.h"

namespace tw::cpu {
namespace {

// What the forward and the backward-input pass have in common; the latter is
// the former with the filters turned by half a turn and their channels swapped.
struct WinogradConvolution {
  const float* source;  // (n, h, w, c)
  int64_t n, h, w, c;
  int64_t p, q, k;            // outputs
  int64_t pad_top, pad_left;  // not negative
  // Tap (i, j) from channel c to channel k.
  SourceGrid weight;
  int64_t weight_c, weight_k;
  const float* bias;  // null: none
  Activation activation;
  float* out;  // (n, p, q, k)
  // Not null: out is (n, p / 2, q / 2, k), pooled 2 x 2, and so are these.
  uint8_t* indices;
};

constexpr int64_t kBlockBytes = 512 << 10;  // of V and M: half of an L2
constexpr int64_t kColumnsPerTask = 256;    // output channels
constexpr int64_t kWantedTasks = 12;
constexpr int64_t kDepthPerPack = 16;
constexpr int64_t kPad = 16;  // keeps positions off each other's cache sets

class Winograd {
 public:
  Winograd(const WinogradConvolution& conv, const MicroKernels& mk,
           const WinogradKernels& wk, int threads)
      : conv_(conv),
        mk_(mk),
        wk_(wk),
        a_(wk.m + 2),
        positions_(a_ * a_),
        tiles_(conv.n, conv.p, conv.q, wk.m),
        panels_(ceil_div(conv.k, 2 * mk.lanes)),
        v_plane_(round_up(conv.c, kPad)),
        v_row_(positions_ * v_plane_ + kPad),
        u_(static_cast<size_t>(panels_ * panel_floats()), 1) {
    cut();
    pack(threads);
  }

  void run_all(int threads) const {
    const Scratch scratch(static_cast<size_t>(block_tiles_ * (v_row_ + m_row_) +
                                              positions_ * conv_.c),
                          threads);
    parallel_for(
        blocks_ * column_blocks_, threads, [&](int64_t task, int worker) {
          run(task / column_blocks_, task % column_blocks_, scratch.of(worker));
        });
  }

 private:
  using Tile = WinogradTiles::Tile;

  // Of U: from a position to the next, and from a panel.
  int64_t u_plane(int64_t panel) const {
    return conv_.c * panel_vectors(panel) * mk_.lanes + kPad;
  }
  int64_t panel_floats() const {
    return positions_ * (conv_.c * 2 * mk_.lanes + kPad);
  }
  int64_t panel_width(int64_t panel) const {
    return std::min<int64_t>(2 * mk_.lanes, conv_.k - panel * 2 * mk_.lanes);
  }
  int panel_vectors(int64_t panel) const {
    return panel_width(panel) <= mk_.lanes ? 1 : 2;
  }

  // How many tiles and panels a task has: enough tiles that a pass of U over
  // them pays, as many as V and M of them fit the L2, and tasks enough.
  void cut() {
    const int64_t task_panels = std::max<int64_t>(
        1, std::min(panels_, kColumnsPerTask / (2 * mk_.lanes)));
    column_blocks_ = ceil_div(panels_, task_panels);
    const int64_t u_bytes = panels_ * panel_floats() * 4;
    const int64_t least = (u_bytes <= kHalfCacheBytes ? 2 : 8) * mk_.max_rows;
    const int64_t tile_bytes =
        4 * positions_ * (conv_.c + std::min(conv_.k, kColumnsPerTask));
    const int64_t wanted = std::max(kBlockBytes / tile_bytes, least);
    blocks_ = ceil_div(tiles_.count(), wanted);
    if (blocks_ * column_blocks_ < kWantedTasks)
      blocks_ = std::min(ceil_div(kWantedTasks, column_blocks_),
                         ceil_div(tiles_.count(), mk_.max_rows));
    while (blocks_ * column_blocks_ < kWantedTasks / 2 &&
           column_blocks_ < panels_)
      column_blocks_++;
    const int64_t block_tiles = ceil_div(tiles_.count(), blocks_);
    m_plane_ = ceil_div(panels_, column_blocks_) * 2 * mk_.lanes;
    m_row_ = positions_ * m_plane_ + kPad;
    block_tiles_ = block_tiles;
  }

  // U: [panel][position][channel][columns of the panel].
  void pack(int threads) const {
    const int64_t depths = ceil_div(conv_.c, kDepthPerPack);
    const Scratch turned(static_cast<size_t>(9 * kDepthPerPack * 2 * mk_.lanes),
                         threads);
    parallel_for(panels_ * depths, threads, [&](int64_t task, int worker) {
      const int64_t panel = task / depths;
      const int64_t begin = task % depths * kDepthPerPack;
      const int64_t end = std::min(begin + kDepthPerPack, conv_.c);
      const int64_t width = panel_width(panel);
      const int64_t step = panel_vectors(panel) * mk_.lanes;
      const int64_t plane = u_plane(panel);
      float* u = u_.of(0) + panel * panel_floats();
      SourceGrid filters = conv_.weight;
      filters.data +=
          panel * 2 * mk_.lanes * conv_.weight_k + begin * conv_.weight_c;
      int64_t filter_step = conv_.weight_c;
      if (conv_.weight_k != 1) {
        filters = turn(filters, end - begin, width, turned.of(worker));
        filter_step = 2 * mk_.lanes;
      }
      for (int64_t c = begin; c < end; c++) {
        if (width < step)
          for (int64_t i = 0; i < positions_; i++)
            std::fill_n(u + i * plane + c * step + width, step - width, 0.0f);
        wk_.weight(filters, {u + c * step, a_ * plane, plane}, width);
        filters.data += filter_step;
      }
    });
  }

  // Filters whose output channels are apart in memory, and whose input channels
  // are side by side, the other way round.
  SourceGrid turn(const SourceGrid& from, int64_t depth, int64_t width,
                  float* to) const {
    const int64_t row = 2 * mk_.lanes, tap_floats = kDepthPerPack * row;
    for (int64_t tap = 0; tap < 9; tap++) {
      const float* filter =
          from.data + tap / 3 * from.row + tap % 3 * from.column;
      float* out = to + tap * tap_floats;
      transpose({filter, conv_.weight_k, width, depth, out, row});
    }
    return {to, 3 * tap_floats, tap_floats};
  }

  void run(int64_t block, int64_t column_block, float* scratch) const {
    const int64_t begin = tiles_.count() * block / blocks_;
    const int64_t count = tiles_.count() * (block + 1) / blocks_ - begin;
    const int64_t first = panels_ * column_block / column_blocks_;
    const int64_t last = panels_ * (column_block + 1) / column_blocks_;
    float* v = scratch;
    float* m = v + block_tiles_ * v_row_;
    float* edge = m + block_tiles_ * m_row_;
    for (int64_t t = 0; t < count; t++) {
      if (t + 1 < count) prefetch_patch(tiles_[begin + t + 1]);
      wk_.input(patch(tiles_[begin + t], edge),
                {v + t * v_row_, a_ * v_plane_, v_plane_}, conv_.c);
    }
    for (int64_t i = 0; i < positions_; i++)
      for (int64_t panel = first; panel < last; panel++)
        multiply(v + i * v_plane_, count,
                 u_.of(0) + panel * panel_floats() + i * u_plane(panel),
                 panel_vectors(panel),
                 m + i * m_plane_ + (panel - first) * 2 * mk_.lanes);
    const int64_t column = first * 2 * mk_.lanes;
    const int64_t columns = std::min(conv_.k, last * 2 * mk_.lanes) - column;
    for (int64_t t = 0; t < count; t++)
      finish(tiles_[begin + t], {m + t * m_row_, a_ * m_plane_, m_plane_},
             column, columns);
  }

  // What a tile needs beyond the tile to its left.
  void prefetch_patch(const Tile& t) const {
    const int64_t image = conv_.h * conv_.w * conv_.c;
    prefetch_out(conv_.source + t.n * image, conv_.h, conv_.w, conv_.c,
                 t.top - conv_.pad_top, t.left - conv_.pad_left + 2, a_, wk_.m);
  }

  SourceGrid patch(const Tile& t, float* edge) const {
    const int64_t image = conv_.h * conv_.w * conv_.c;
    return cut_out(conv_.source + t.n * image, conv_.h, conv_.w, conv_.c,
                   t.top - conv_.pad_top, t.left - conv_.pad_left, a_, edge);
  }

  void multiply(const float* v, int64_t count, const float* u, int vectors,
                float* m) const {
    const RowTiles tiles(count, mk_.max_rows);
    for (int64_t t = 0; t < tiles.count; t++) {
      const int rows = tiles.size(t);
      float* c[kMaxTileRows];
      for (int i = 0; i < rows; i++) c[i] = m + (tiles.begin(t) + i) * m_row_;
      const int64_t step = vectors * mk_.lanes;
      mk_.strided[vectors][rows]({conv_.c,
                                  v + tiles.begin(t) * v_row_,
                                  v_row_,
                                  u,
                                  step,
                                  {c, step, nullptr, false, Activation::none}});
    }
  }

  void finish(const Tile& t, const SourceGrid& m, int64_t column,
              int64_t columns) const {
    const float* bias = conv_.bias ? conv_.bias + column : nullptr;
    if (conv_.indices) {
      const int64_t p = conv_.p / 2, q = conv_.q / 2;
      const int64_t at =
          ((t.n * p + t.top / 2) * q + t.left / 2) * conv_.k + column;
      wk_.pooled_output({m, conv_.out + at, conv_.indices + at, columns, bias,
                         conv_.activation == Activation::relu});
      return;
    }
    const int64_t at =
        ((t.n * conv_.p + t.top) * conv_.q + t.left) * conv_.k + column;
    wk_.output({m,
                {conv_.out + at, conv_.q * conv_.k, conv_.k},
                std::min<int64_t>(wk_.m, conv_.p - t.top),
                std::min<int64_t>(wk_.m, conv_.q - t.left),
                columns,
                bias,
                conv_.activation});
  }

  const WinogradConvolution& conv_;
  const MicroKernels& mk_;
  const WinogradKernels& wk_;
  const int64_t a_, positions_;
  const WinogradTiles tiles_;
  const int64_t panels_;
  const int64_t v_plane_, v_row_;  // from a position, a tile to the next
  const Scratch u_;
  int64_t blocks_, column_blocks_, block_tiles_, m_plane_, m_row_;
};

void run(const WinogradConvolution& conv, const MicroKernels& mk,
         const WinogradKernels& wk) {
  if (conv.n == 0) return;
  const int threads =
      threads_for_flops(18.0 * conv.n * conv.p * conv.q * conv.c * conv.k);
  Winograd(conv, mk, wk, threads).run_all(threads);
}

WinogradConvolution forward(const ConvForward& f) {
  const ConvShape& d = f.shape;
  const int64_t column = d.c * d.k;
  return {f.x,
          d.n,
          d.h,
          d.w,
          d.c,
          d.p,
          d.q,
          d.k,
          d.pad_top,
          d.pad_left,
          {f.weight, 3 * column, column},
          d.k,
          1,
          f.bias,
          f.activation,
          f.y,
          nullptr};
}

// What the pooling reads of the convolution.
ConvShape pooled_shape(const ConvMaxPool& f) {
  ConvShape shape = f.conv.shape;
  shape.p = 2 * f.pooled_p;
  shape.q = 2 * f.pooled_q;
  return shape;
}

const char* refuse(const ConvShape& d) {
  if (d.r != 3 || d.s != 3) return "not 3 x 3";
  if (d.stride_h != 1 || d.stride_w != 1) return "a stride";
  if (d.dilation_h != 1 || d.dilation_w != 1) return "a dilation";
  if (d.groups != 1) return "groups";
  if (d.pad_top > 2 || d.pad_left > 2) return "padding beyond the filter";
  return nullptr;
}

const char* slower(const ConvShape& d, ConvPass pass, ConvWay way, int lanes) {
  return cheapest_way(d, pass, lanes) == way ? nullptr : "costs more";
}

}  // namespace

void run_winograd(const ConvForward& f, const MicroKernels& mk,
                  const WinogradKernels& wk) {
  run(forward(f), mk, wk);
}

void run_winograd(const ConvBackwardInput& b, const MicroKernels& mk,
                  const WinogradKernels& wk) {
  const ConvShape& d = b.shape;
  const int64_t column = d.c * d.k;
  run({b.dy,
       d.n,
       d.p,
       d.q,
       d.k,
       d.h,
       d.w,
       d.c,
       2 - d.pad_top,
       2 - d.pad_left,
       {b.weight + 8 * column, -3 * column, -column},
       1,
       d.k,
       nullptr,
       Activation::none,
       b.dx,
       nullptr},
      mk, wk);
}

void run_winograd(const ConvMaxPool& f, const MicroKernels& mk,
                  const WinogradKernels& wk) {
  WinogradConvolution conv = forward(f.conv);
  conv.p = 2 * f.pooled_p;
  conv.q = 2 * f.pooled_q;
  conv.out = f.y;
  conv.indices = f.indices;
  run(conv, mk, wk);
}

const char* refuse_winograd(const ConvForward& f) { return refuse(f.shape); }
const char* refuse_winograd(const ConvBackwardInput& b) {
  return refuse(b.shape);
}
const char* refuse_winograd(const ConvBackwardWeight& b) {
  return refuse(b.shape);
}
const char* refuse_winograd(const ConvMaxPool& f) {
  if (f.window_h != 2 || f.window_w != 2) return "a window other than 2 x 2";
  if (f.pool_stride_h != 2 || f.pool_stride_w != 2) return "a pooling stride";
  return refuse(f.conv.shape);
}

const char* winograd_slower(const ConvForward& f, ConvWay way, int lanes) {
  return slower(f.shape, ConvPass::forward, way, lanes);
}
const char* winograd_slower(const ConvBackwardInput& b, ConvWay way,
                            int lanes) {
  return slower(b.shape, ConvPass::backward_input, way, lanes);
}
const char* winograd_slower(const ConvBackwardWeight& b, ConvWay way,
                            int lanes) {
  return slower(b.shape, ConvPass::backward_weight, way, lanes);
}
const char* winograd_slower(const ConvMaxPool& f, ConvWay way, int lanes) {
  return slower(pooled_shape(f), ConvPass::pooled_forward, way, lanes);
}

}  // namespace tw::cpu
