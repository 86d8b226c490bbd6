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
// Where a tap is only a few channels deep, the pixels' patches are copied into
// rows first, for the micro-kernel wants more than a few steps a pointer.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/allocator.h"
#include "cpu/conv2d.h"
#include "cpu/microkernel.h"

namespace tw::cpu {

struct Tap {
  int64_t h, w;   // offset in the source
  int64_t index;  // which weight matrix
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
  WeightPanels(const WeightLayout& layout, const std::vector<Tap>& taps,
               int lanes, int threads);

  struct Panel {
    const float* b;
    int64_t column, width, step;
    int vectors;
  };
  int64_t panels() const { return panels_; }    // of one chunk
  int64_t chunks() const { return chunks_; }    // of merged groups
  int64_t depth() const { return depth_; }      // of one chunk
  int64_t columns() const { return columns_; }  // of one chunk
  Panel panel(int64_t chunk, int64_t index) const;

 private:
  void fill(int64_t chunk, int64_t index, const std::vector<Tap>& taps) const;

  const WeightLayout layout_;
  int64_t lanes_, merged_, chunks_, depth_, columns_, panels_, taps_;
  Scratch packed_;
};

// Trivially copied, so that a task can move one to its own part.
struct TapConvolution {
  const float* source;  // (n, source_h, source_w, source_c)
  int64_t source_h, source_w, source_c;
  int64_t step_h, step_w, base_h, base_w;
  const Tap* taps;
  int64_t tap_count;

  int64_t n, grid_h, grid_w;
  // Where grid pixel (n, i, j) goes.
  float* out;
  int64_t out_image, out_row, out_pixel;  // strides in floats

  const float* bias;
  Activation activation;

  int64_t pixels() const { return n * grid_h * grid_w; }
};

// Runs a block of grid pixels at a time.
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

 private:
  void fill_pointers(const TapConvolution& conv, const RowTiles& tiles,
                     int64_t begin, int64_t end, int64_t chunk,
                     const float** table) const;
  void gather(const RowTiles& tiles, const float** table, float* patches) const;

  const TapConvolution& conv_;
  const WeightPanels& weights_;
  const MicroKernels& mk_;
  int64_t taps_, block_pixels_;
  bool gathers_;
  Scratch zeros_;
};

// Calls visit(pixel - begin, tap, pointer) for grid pixels [begin, end) and
// each tap; the pointer is null where the tap is outside the source.
template <class Visit>
void each_tap(const TapConvolution& conv, int64_t begin, int64_t end,
              Visit visit) {
  int64_t j = begin % conv.grid_w;
  int64_t i = begin / conv.grid_w % conv.grid_h;
  int64_t n = begin / conv.grid_w / conv.grid_h;
  for (int64_t pixel = begin; pixel < end; pixel++) {
    const int64_t h0 = i * conv.step_h + conv.base_h;
    const int64_t w0 = j * conv.step_w + conv.base_w;
    const float* image =
        conv.source + n * conv.source_h * conv.source_w * conv.source_c;
    for (int64_t t = 0; t < conv.tap_count; t++) {
      const int64_t h = h0 + conv.taps[t].h, w = w0 + conv.taps[t].w;
      const bool inside =
          h >= 0 && h < conv.source_h && w >= 0 && w < conv.source_w;
      visit(pixel - begin, t,
            inside ? image + (h * conv.source_w + w) * conv.source_c : nullptr);
    }
    if (++j == conv.grid_w) {
      j = 0;
      if (++i == conv.grid_h) i = 0, n++;
    }
  }
}

// Where grid pixel `pixel` goes.
inline float* out_pointer(const TapConvolution& conv, int64_t pixel) {
  const int64_t j = pixel % conv.grid_w;
  const int64_t i = pixel / conv.grid_w % conv.grid_h;
  const int64_t n = pixel / conv.grid_w / conv.grid_h;
  return conv.out + n * conv.out_image + i * conv.out_row + j * conv.out_pixel;
}

// The passes of a convolution as tap convolutions. A filter row of the forward
// pass may be one tap of s * c channels, where its pixels lie side by side.
std::vector<Tap> forward_taps(const ConvForward& problem);
TapConvolution forward_convolution(const ConvForward& problem,
                                   const std::vector<Tap>& taps);
WeightLayout forward_weights(const ConvForward& problem);
// The residue class (h % stride_h, w % stride_w) = (class_h, class_w).
std::vector<Tap> backward_input_taps(const ConvBackwardInput& problem,
                                     int64_t class_h, int64_t class_w);
TapConvolution backward_input_convolution(const ConvBackwardInput& problem,
                                          int64_t class_h, int64_t class_w,
                                          const std::vector<Tap>& taps);
WeightLayout backward_input_weights(const ConvBackwardInput& problem);

}  // namespace tw::cpu
