#include "cpu/tap_convolution.h"

#include <algorithm>
#include <cstring>

#include "cpu/parallel.h"

namespace tw::cpu {
namespace {

constexpr int64_t kTilesPerBlock = 8;
constexpr int64_t kWantedBlocks = 32;
constexpr int64_t kPointersPerBlock = 32768;  // 256 KiB
// A run shorter than this spends more on pointers than on products.
constexpr int64_t kShallow = 8;

// Scratch is counted in floats; a pointer takes the room of two.
constexpr int64_t kPointerFloats = sizeof(void*) / sizeof(float);

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Groups whose columns fill a vector together.
int64_t groups_merged(const WeightLayout& layout, int lanes) {
  int64_t merged = 1;
  while (merged < layout.groups &&
         (layout.groups % merged || merged * layout.group_columns < lanes))
    merged++;
  return merged;
}

}  // namespace

WeightPanels::WeightPanels(const WeightLayout& layout,
                           const std::vector<Tap>& taps, int lanes, int threads)
    : layout_(layout),
      lanes_(lanes),
      merged_(groups_merged(layout, lanes)),
      chunks_(layout.groups / merged_),
      depth_(merged_ * layout.group_depth),
      columns_(merged_ * layout.group_columns),
      panels_(ceil_div(columns_, 2 * lanes)),
      taps_(static_cast<int64_t>(taps.size())),
      packed_(static_cast<size_t>(chunks_ * panels_ * taps_ * depth_ * 2 *
                                  lanes),
              1) {
  parallel_for(chunks_ * panels_, threads, [&](int64_t task, int) {
    fill(task / panels_, task % panels_, taps);
  });
}

WeightPanels::Panel WeightPanels::panel(int64_t chunk, int64_t index) const {
  Panel result;
  result.column = index * 2 * lanes_;
  result.width = std::min(2 * lanes_, columns_ - result.column);
  result.vectors = result.width <= lanes_ ? 1 : 2;
  result.step = result.vectors * lanes_;
  result.b =
      packed_.of(0) + (chunk * panels_ + index) * taps_ * depth_ * 2 * lanes_;
  return result;
}

void WeightPanels::fill(int64_t chunk, int64_t index,
                        const std::vector<Tap>& taps) const {
  const Panel to = panel(chunk, index);
  const WeightLayout& l = layout_;
  float* out = const_cast<float*>(to.b);
  const bool dense = merged_ == 1 && to.width == to.step;
  if (!dense)
    std::fill(out, out + taps_ * depth_ * to.step, 0.0f);
  for (const Tap& tap : taps) {
    for (int64_t g = 0; g < merged_; g++) {
      // This group's columns, as far as they are in the panel.
      const int64_t first = std::max(to.column, g * l.group_columns);
      const int64_t last =
          std::min(to.column + to.width, (g + 1) * l.group_columns);
      if (first >= last) continue;
      const float* from = l.weight + tap.index * l.tap_stride +
                          (chunk * merged_ + g) * l.group_stride +
                          (first - g * l.group_columns) * l.column_stride;
      float* rows = out + g * l.group_depth * to.step + first - to.column;
      if (l.column_stride == 1) {
        for (int64_t d = 0; d < l.group_depth; d++)
          std::memcpy(rows + d * to.step, from + d * l.depth_stride,
                      static_cast<size_t>(last - first) * sizeof(float));
      } else {
        // Sixteen deep at a time, so that both sides stay in L1.
        for (int64_t d0 = 0; d0 < l.group_depth; d0 += 16) {
          const int64_t d1 = std::min(d0 + 16, l.group_depth);
          for (int64_t j = 0; j < last - first; j++)
            for (int64_t d = d0; d < d1; d++)
              rows[d * to.step + j] =
                  from[d * l.depth_stride + j * l.column_stride];
        }
      }
    }
    out += depth_ * to.step;
  }
}

TapRunner::TapRunner(const TapConvolution& conv, const WeightPanels& weights,
                     const MicroKernels& mk)
    : conv_(conv),
      weights_(weights),
      mk_(mk),
      taps_(conv.tap_count),
      gathers_(taps_ > 1 && weights.depth() < kShallow),
      zeros_(static_cast<size_t>(weights.depth()), 1) {
  std::fill_n(zeros_.of(0), weights.depth(), 0.0f);
  const int64_t tiles = ceil_div(conv.pixels() * weights.chunks(), mk.max_rows);
  const int64_t fitting =
      kPointersPerBlock / (mk.max_rows * std::max<int64_t>(1, taps_));
  block_pixels_ =
      mk.max_rows * std::max<int64_t>(1, std::min({tiles / kWantedBlocks,
                                                   fitting, kTilesPerBlock}));
}

size_t TapRunner::scratch_floats() const {
  const int64_t pointers = block_pixels_ * (taps_ + 1);
  const int64_t patches = gathers_ ? block_pixels_ * taps_ * weights_.depth() : 0;
  return static_cast<size_t>(pointers * kPointerFloats + patches);
}

void TapRunner::fill_pointers(const TapConvolution& conv,
                              const RowTiles& tiles, int64_t begin,
                              int64_t end, int64_t chunk,
                              const float** table) const {
  const int64_t channel = chunk * weights_.depth();
  const float* zeros = zeros_.of(0);
  int64_t tile = 0, tile_begin = 0;
  int rows = tiles.size(0);
  each_tap(conv, begin, end,
           [&](int64_t pixel, int64_t tap, const float* source) {
             if (pixel == tile_begin + rows) {
               tile_begin += rows;
               rows = tiles.size(++tile);
             }
             table[tile_begin * taps_ + tap * rows + pixel - tile_begin] =
                 source ? source + channel : zeros;
           });
}

// Copies each pixel's taps into one row of taps * depth floats and leaves the
// rows' pointers at the head of each tile's table.
void TapRunner::gather(const RowTiles& tiles, const float** table,
                       float* patches) const {
  const int64_t depth = weights_.depth();
  for (int64_t t = 0; t < tiles.count; t++) {
    const int64_t first = tiles.begin(t);
    const int rows = tiles.size(t);
    const float** pointers = table + first * taps_;
    float* out = patches + first * taps_ * depth;
    for (int i = 0; i < rows; i++) {
      const float* row = out;
      for (int64_t tap = 0; tap < taps_; tap++)
        for (int64_t d = 0; d < depth; d++)
          *out++ = pointers[tap * rows + i][d];
      // Row i's first pointer has been used, so its place is free.
      pointers[i] = row;
    }
  }
}

void TapRunner::run(const TapConvolution& conv, int64_t chunk, int64_t begin,
                    int64_t end, float* scratch) const {
  const RowTiles tiles(end - begin, mk_.max_rows);
  auto** table = reinterpret_cast<const float**>(scratch);
  auto** out = reinterpret_cast<float**>(scratch) + block_pixels_ * taps_;
  auto* patches = reinterpret_cast<float*>(out + block_pixels_);
  fill_pointers(conv, tiles, begin, end, chunk, table);
  if (gathers_) gather(tiles, table, patches);
  for (int64_t pixel = begin; pixel < end; pixel++)
    out[pixel - begin] =
        out_pointer(conv, pixel) + chunk * weights_.columns();

  const int64_t runs = gathers_ ? 1 : taps_;
  const int64_t depth = gathers_ ? taps_ * weights_.depth() : weights_.depth();
  for (int64_t index = 0; index < weights_.panels(); index++) {
    const WeightPanels::Panel panel = weights_.panel(chunk, index);
    const float* bias =
        conv.bias ? conv.bias + chunk * weights_.columns() + panel.column
                  : nullptr;
    for (int64_t t = 0; t < tiles.count; t++) {
      const int64_t first = tiles.begin(t);
      const int rows = tiles.size(t);
      const RowsTile tile{runs,
                          depth,
                          table + first * taps_,
                          panel.b,
                          depth * panel.step,
                          panel.step,
                          {out + first, panel.width, bias, false,
                           conv.activation}};
      mk_.rows[panel.vectors][rows](tile);
    }
    for (int64_t i = 0; i < end - begin; i++) out[i] += panel.width;
  }
}

void TapRunner::run_all(int threads) const {
  const int64_t pixels = conv_.pixels();
  if (pixels == 0) return;
  const int64_t blocks = ceil_div(pixels, block_pixels_);
  const Scratch scratch(scratch_floats(), threads);
  parallel_for(blocks * weights_.chunks(), threads,
               [&](int64_t task, int worker) {
                 const int64_t begin = task % blocks * block_pixels_;
                 run(conv_, task / blocks, begin,
                     std::min(begin + block_pixels_, pixels),
                     scratch.of(worker));
               });
}

namespace {

// Whether a filter row's pixels lie side by side and inside the image for each
// output, so that its S taps are one run of S * C channels.
bool rows_are_runs(const ConvShape& d) {
  return d.groups == 1 && d.dilation_w == 1 && d.pad_left == 0 &&
         (d.q - 1) * d.stride_w + d.s <= d.w;
}

}  // namespace

std::vector<Tap> forward_taps(const ConvForward& f) {
  const ConvShape& d = f.shape;
  const int64_t across = rows_are_runs(d) ? 1 : d.s;
  std::vector<Tap> taps;
  for (int64_t r = 0; r < d.r; r++)
    for (int64_t s = 0; s < across; s++)
      taps.push_back({r * d.dilation_h, s * d.dilation_w, r * across + s});
  return taps;
}

TapConvolution forward_convolution(const ConvForward& f,
                                   const std::vector<Tap>& taps) {
  const ConvShape& d = f.shape;
  TapConvolution conv{};
  conv.source = f.x;
  conv.source_h = d.h, conv.source_w = d.w, conv.source_c = d.c;
  conv.step_h = d.stride_h, conv.step_w = d.stride_w;
  conv.base_h = -d.pad_top, conv.base_w = -d.pad_left;
  conv.taps = taps.data();
  conv.tap_count = static_cast<int64_t>(taps.size());
  conv.n = d.n, conv.grid_h = d.p, conv.grid_w = d.q;
  conv.out = f.y;
  conv.out_image = d.p * d.q * d.k;
  conv.out_row = d.q * d.k;
  conv.out_pixel = d.k;
  conv.bias = f.bias;
  conv.activation = f.activation;
  return conv;
}

WeightLayout forward_weights(const ConvForward& f) {
  const ConvShape& d = f.shape;
  WeightLayout layout{};
  layout.weight = f.weight;
  layout.group_depth = rows_are_runs(d) ? d.s * d.c : d.group_c();
  layout.group_columns = layout.group_stride = d.group_k();
  layout.groups = d.groups;
  layout.tap_stride = layout.group_depth * d.k;
  layout.depth_stride = d.k;
  layout.column_stride = 1;
  return layout;
}

std::vector<Tap> backward_input_taps(const ConvBackwardInput& b,
                                     int64_t class_h, int64_t class_w) {
  const ConvShape& d = b.shape;
  std::vector<Tap> taps;
  for (int64_t r = 0; r < d.r; r++) {
    const int64_t h = class_h + d.pad_top - r * d.dilation_h;
    if (h % d.stride_h) continue;
    for (int64_t s = 0; s < d.s; s++) {
      const int64_t w = class_w + d.pad_left - s * d.dilation_w;
      if (w % d.stride_w) continue;
      taps.push_back({h / d.stride_h, w / d.stride_w, r * d.s + s});
    }
  }
  return taps;
}

TapConvolution backward_input_convolution(const ConvBackwardInput& b,
                                          int64_t class_h, int64_t class_w,
                                          const std::vector<Tap>& taps) {
  const ConvShape& d = b.shape;
  TapConvolution conv{};
  conv.source = b.dy;
  conv.source_h = d.p, conv.source_w = d.q, conv.source_c = d.k;
  conv.step_h = conv.step_w = 1;
  conv.taps = taps.data();
  conv.tap_count = static_cast<int64_t>(taps.size());
  conv.n = d.n;
  conv.grid_h = ceil_div(d.h - class_h, d.stride_h);
  conv.grid_w = ceil_div(d.w - class_w, d.stride_w);
  conv.out = b.dx + (class_h * d.w + class_w) * d.c;
  conv.out_image = d.h * d.w * d.c;
  conv.out_row = d.stride_h * d.w * d.c;
  conv.out_pixel = d.stride_w * d.c;
  conv.activation = Activation::none;
  return conv;
}

WeightLayout backward_input_weights(const ConvBackwardInput& b) {
  const ConvShape& d = b.shape;
  WeightLayout layout{};
  layout.weight = b.weight;
  layout.group_depth = layout.group_stride = d.group_k();
  layout.group_columns = d.group_c();
  layout.groups = d.groups;
  layout.tap_stride = d.group_c() * d.k;
  layout.depth_stride = 1;
  layout.column_stride = d.k;
  return layout;
}

}  // namespace tw::cpu
