// What conv2d forward and backward-input have in common: each pixel of an
// output grid is a sum over filter taps of source pixel times weight matrix.
//   out[n, i, j, :] = sum over taps t of
//     source[n, i*step_h + base_h + t.h, j*step_w + base_w + t.w, :] * W_t
// Forward: the grid is the output, taps go by dilation. Backward-input: the
// input pixels of one residue class modulo the stride, and just the taps that
// meet that class, so that a strided convolution multiplies no zeros.
//
// It runs as an indirect GEMM: a table of source pointers, one for each pixel
// and tap (a row of zeros where the tap is outside), and weights in panels.
// Where taps are only a few channels deep, a pointer for each is too many: the
// images are padded by a copy, so that all taps are inside, and a pixel has one
// pointer and shares the offsets of its taps and channels with all others.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cpu/allocator.h"
#include "cpu/conv2d.h"
#include "cpu/microkernel.h"

namespace tw::cpu {

struct Tap {
  int64_t h, w;    // offset in the source
  int64_t index;   // which weight matrix
  int64_t offset;  // the same as h, w, in floats
};

// The weight matrices W_t (depth x columns) of one or more groups, copied to
// panels of 2 vectors that the micro-kernel reads straight through:
// [panel][tap][depth][columns of the panel, padded]. Groups narrower than a
// vector are merged into block-diagonal matrices, for a vector of zeros costs
// no more than a vector half empty.
struct WeightLayout {
  const float* weight;
  int64_t tap_stride, depth_stride, column_stride;
  int64_t group_depth, group_columns, groups;
  int64_t group_stride;  // from one group's W_t to the next one's
};

class WeightPanels {
 public:
  // Refers to `taps`. Nothing is packed yet.
  WeightPanels(const WeightLayout& layout, const std::vector<Tap>& taps,
               int lanes);

  struct Panel {
    const float* b;
    int64_t column, width, step;
    int vectors;
  };
  int64_t panels() const { return panels_; }    // of one chunk
  int64_t chunks() const { return chunks_; }    // of merged groups
  int64_t depth() const { return depth_; }      // of one chunk
  int64_t columns() const { return columns_; }  // of one chunk
  int64_t panel_floats() const {
    return static_cast<int64_t>(taps_.size()) * depth_ * 2 * lanes_;
  }

  void pack_all(int threads);
  Panel panel(int64_t chunk, int64_t index) const;  // after pack_all()
  // One panel alone, to a place of the caller's.
  Panel pack(int64_t chunk, int64_t index, float* to) const;

 private:
  Panel panel_at(int64_t index, const float* b) const;

  const WeightLayout layout_;
  const std::vector<Tap>& taps_;
  int64_t lanes_, merged_, chunks_, depth_, columns_, panels_;
  std::unique_ptr<Scratch> packed_;
};

// Trivially copied, so that a task can move one to its own part.
struct TapConvolution {
  const float* source;  // (n, source_h, source_w, source_c)
  int64_t source_h, source_w, source_c;
  int64_t step_h, step_w, base_h, base_w;
  const Tap* taps;
  int64_t tap_count;
  int64_t low_h, high_h, low_w, high_w;  // extreme offsets of the taps

  int64_t n, grid_h, grid_w;
  // Where grid pixel (n, i, j) goes.
  float* out;
  int64_t out_image, out_row, out_pixel;  // strides in floats

  const float* bias;
  Activation activation;
  bool all_inside;  // no tap of any pixel is outside the source

  int64_t pixels() const { return n * grid_h * grid_w; }
  const float* image(int64_t index) const {
    return source + index * source_h * source_w * source_c;
  }
  // Where grid pixel (image, i, j) goes.
  float* out_pixel_at(int64_t index, int64_t i, int64_t j) const {
    return out + index * out_image + i * out_row + j * out_pixel;
  }
};

// Points a convolution whose taps are only a few channels deep to a copy of its
// source with zeros around the images, where some of its taps are outside.
class PaddedSource {
 public:
  PaddedSource(TapConvolution& conv, std::vector<Tap>& taps, int64_t depth,
               int threads);

 private:
  std::unique_ptr<Scratch> copy_;
};

// Calls visit(tap, float offset in an image) for the taps of grid pixel (i, j)
// that are inside the source, and outside(tap) for the others.
template <class Visit, class Outside>
void each_tap_at(const TapConvolution& conv, int64_t i, int64_t j, Visit visit,
                 Outside outside) {
  const int64_t h0 = i * conv.step_h + conv.base_h;
  const int64_t w0 = j * conv.step_w + conv.base_w;
  const int64_t origin = (h0 * conv.source_w + w0) * conv.source_c;
  const bool all_inside =
      h0 + conv.low_h >= 0 && h0 + conv.high_h < conv.source_h &&
      w0 + conv.low_w >= 0 && w0 + conv.high_w < conv.source_w;
  for (int64_t t = 0; t < conv.tap_count; t++) {
    const Tap& tap = conv.taps[t];
    const int64_t h = h0 + tap.h, w = w0 + tap.w;
    if (all_inside ||
        (h >= 0 && h < conv.source_h && w >= 0 && w < conv.source_w))
      visit(t, origin + tap.offset);
    else
      outside(t);
  }
}

// Calls visit(n, i, j, count) for grid pixels [begin, end) in order, `count` of
// a row at a time from (n, i, j) on.
template <class Visit>
void each_row(const TapConvolution& conv, int64_t begin, int64_t end,
              Visit visit) {
  int64_t j = begin % conv.grid_w;
  int64_t i = begin / conv.grid_w % conv.grid_h;
  int64_t n = begin / conv.grid_w / conv.grid_h;
  while (begin < end) {
    const int64_t rest = conv.grid_w - j, left = end - begin;
    const int64_t count = rest < left ? rest : left;
    visit(n, i, j, count);
    begin += count;
    j = 0;
    if (++i < conv.grid_h) continue;
    i = 0, n++;
  }
}

// Calls visit(n, i, j) for grid pixels [begin, end) in order.
template <class Visit>
void each_pixel(const TapConvolution& conv, int64_t begin, int64_t end,
                Visit visit) {
  each_row(conv, begin, end,
           [&](int64_t n, int64_t i, int64_t j, int64_t count) {
             for (int64_t pixel = 0; pixel < count; pixel++)
               visit(n, i, j + pixel);
           });
}

// Runs a block of grid pixels at a time: consecutive ones, or, where much of
// the taps of a small image fall outside it, one position of many images, so
// that a tap outside for one is outside for all and is left out.
class TapRunner {
 public:
  TapRunner(const TapConvolution& conv, const WeightPanels& weights,
            const MicroKernels& mk);

  // Floats of scratch that run() needs for a worker.
  size_t scratch_floats() const;
  int64_t block_pixels() const { return block_pixels_; }

  // Pixels [begin, end), at most block_pixels() of them, of one chunk of
  // groups, of `conv`: the convolution this was made for or a part of it.
  // Allocates nothing.
  void run(const TapConvolution& conv, int64_t chunk, int64_t begin,
           int64_t end, float* scratch) const;

  // The whole grid, in parallel.
  void run_all(int threads) const;

  // The whole grid, a panel a task, which packs it: for so few pixels that each
  // panel is used but a few times, and should not go to memory in between.
  bool pays_by_panel() const;
  void run_by_panel(int threads) const;

 private:
  // A worker's scratch, cut up.
  struct Tables {
    const float** source;  // [tile][tap][row of the tile]; shallow: [row]
    const float** weight;  // [tap]
    float** out;           // [row]
    int64_t* places;       // [tap]
  };
  Tables cut(float* scratch) const;

  void run_position(int64_t chunk, int64_t position, int64_t begin, int64_t end,
                    float* scratch) const;
  void run_shallow(const TapConvolution& conv, int64_t chunk, int64_t begin,
                   int64_t end, float* scratch) const;
  // The pixels of one block, from `begin` on.
  void fill_tables(const TapConvolution& conv, int64_t chunk, int64_t begin,
                   const RowTiles& tiles, const Tables& tables) const;
  void multiply_panel(const TapConvolution& conv, int64_t chunk,
                      const RowTiles& tiles, int64_t runs,
                      const int64_t* places, const Tables& tables,
                      const WeightPanels::Panel& panel) const;
  // The products of `runs` taps, given by their places in the tap list, for
  // tiles whose tables are filled.
  void multiply(const TapConvolution& conv, int64_t chunk,
                const RowTiles& tiles, int64_t runs, const int64_t* places,
                const Tables& tables, int64_t rows) const;

  const TapConvolution& conv_;
  const WeightPanels& weights_;
  const MicroKernels& mk_;
  int64_t taps_, block_pixels_;
  bool shallow_, by_position_, streaming_;
  Scratch zeros_;
  std::vector<int32_t> offsets_;  // shallow: [tap][channel]
};

// Packs the weights and runs the whole convolution.
void run_taps(TapConvolution& conv, const WeightLayout& layout,
              std::vector<Tap>& taps, const MicroKernels& mk, int threads);

// The passes of a convolution as tap convolutions. A filter row of the forward
// pass may be one tap of s * c channels, where its pixels lie side by side. The
// convolution points to its taps and completes them.
std::vector<Tap> forward_taps(const ConvForward& problem);
TapConvolution forward_convolution(const ConvForward& problem,
                                   std::vector<Tap>& taps);
WeightLayout forward_weights(const ConvForward& problem);
// The residue class (h % stride_h, w % stride_w) = (class_h, class_w).
std::vector<Tap> backward_input_taps(const ConvBackwardInput& problem,
                                     int64_t class_h, int64_t class_w);
TapConvolution backward_input_convolution(const ConvBackwardInput& problem,
                                          int64_t class_h, int64_t class_w,
                                          std::vector<Tap>& taps);
WeightLayout backward_input_weights(const ConvBackwardInput& problem);

}  // namespace tw::cpu
