#include "cpu/tap_convolution.h"

#include <algorithm>
#include <cstring>

#include "common/integers.h"
#include "cpu/parallel.h"
#include "cpu/streaming.h"
#include "cpu/transpose.h"

namespace tw::cpu {
namespace {

constexpr int64_t kTilesPerBlock = 8;
constexpr int64_t kWantedBlocks = 32;
constexpr int64_t kPointersPerBlock = 32768;  // 256 KiB
// A run shorter than this spends more on pointers than on products.
constexpr int64_t kShallow = 8;
// Leaving taps out pays from this share of them outside, and for images enough
// to fill a tile.
constexpr double kOutsideShare = 0.03;

// Scratch is counted in floats; a pointer takes the room of two.
constexpr int64_t kPointerFloats = sizeof(void*) / sizeof(float);
constexpr int64_t kPanelPad = 16;  // panels begin with a cache line

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
                           const std::vector<Tap>& taps, int lanes)
    : layout_(layout),
      taps_(taps),
      lanes_(lanes),
      merged_(groups_merged(layout, lanes)),
      chunks_(layout.groups / merged_),
      depth_(merged_ * layout.group_depth),
      columns_(merged_ * layout.group_columns),
      panels_(ceil_div(columns_, 2 * lanes)) {}

void WeightPanels::pack_all(int threads) {
  packed_ = std::make_unique<Scratch>(
      static_cast<size_t>(chunks_ * panels_ * panel_floats()), 1);
  parallel_for(chunks_ * panels_, threads, [&](int64_t task, int) {
    const int64_t chunk = task / panels_, index = task % panels_;
    pack(chunk, index, packed_->of(0) + task * panel_floats());
  });
}

WeightPanels::Panel WeightPanels::panel(int64_t chunk, int64_t index) const {
  return panel_at(index,
                  packed_->of(0) + (chunk * panels_ + index) * panel_floats());
}

WeightPanels::Panel WeightPanels::panel_at(int64_t index,
                                           const float* b) const {
  Panel result;
  result.b = b;
  result.column = index * 2 * lanes_;
  result.width = std::min(2 * lanes_, columns_ - result.column);
  result.vectors = result.width <= lanes_ ? 1 : 2;
  result.step = result.vectors * lanes_;
  return result;
}

WeightPanels::Panel WeightPanels::pack(int64_t chunk, int64_t index,
                                       float* out) const {
  const Panel to = panel_at(index, out);
  const WeightLayout& l = layout_;
  const bool dense = merged_ == 1 && to.width == to.step;
  if (!dense) std::fill(out, out + panel_floats(), 0.0f);
  for (const Tap& tap : taps_) {
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
        transpose({from, l.column_stride, last - first, l.group_depth, rows,
                   to.step});
      }
    }
    out += depth_ * to.step;
  }
  return to;
}

namespace {

// The share of (pixel, tap) pairs whose source is outside.
double outside_share(const TapConvolution& conv) {
  int64_t outside = 0;
  for (int64_t i = 0; i < conv.grid_h; i++)
    for (int64_t j = 0; j < conv.grid_w; j++)
      each_tap_at(
          conv, i, j, [](int64_t, int64_t) {}, [&](int64_t) { outside++; });
  return static_cast<double>(outside) /
         static_cast<double>(conv.grid_h * conv.grid_w * conv.tap_count);
}

bool pays_by_position(const TapConvolution& conv, int max_rows) {
  constexpr int64_t small = 1024;  // pixels; a larger image has little border
  const int64_t positions = conv.grid_h * conv.grid_w;
  return conv.tap_count > 1 && positions <= small && 2 * conv.n >= max_rows &&
         outside_share(conv) > kOutsideShare;
}

void set_taps(TapConvolution& conv, std::vector<Tap>& taps) {
  conv.taps = taps.data();
  conv.tap_count = static_cast<int64_t>(taps.size());
  // A class of pixels that no tap reaches has none.
  const Tap first = taps.empty() ? Tap{} : taps.front();
  conv.low_h = conv.high_h = first.h;
  conv.low_w = conv.high_w = first.w;
  for (Tap& tap : taps) {
    tap.offset = (tap.h * conv.source_w + tap.w) * conv.source_c;
    conv.low_h = std::min(conv.low_h, tap.h);
    conv.high_h = std::max(conv.high_h, tap.h);
    conv.low_w = std::min(conv.low_w, tap.w);
    conv.high_w = std::max(conv.high_w, tap.w);
  }
}

// Whether the output leaves the caches before it is read, and every vector of a
// full tile is stored whole and aligned.
bool streams_output(const TapConvolution& conv, const WeightPanels& weights) {
  return pays_streaming(conv.out, conv.n * conv.out_image) &&
         conv.activation <= Activation::relu &&
         conv.out_pixel % kLineFloats == 0 && conv.out_row % kLineFloats == 0 &&
         weights.columns() % kLineFloats == 0;
}

bool is_shallow(const TapConvolution& conv, int64_t depth) {
  return conv.tap_count > 1 && depth < kShallow;
}

// Pixels that one axis lacks before and after its extent, for all taps of all
// grid positions to be inside.
struct Missing {
  Missing(int64_t extent, int64_t grid, int64_t step, int64_t base, int64_t low,
          int64_t high)
      : before(std::max<int64_t>(0, -(base + low))),
        after(std::max<int64_t>(
            0, (grid - 1) * step + base + high - (extent - 1))) {}
  int64_t before, after;
};

}  // namespace

PaddedSource::PaddedSource(TapConvolution& conv, std::vector<Tap>& taps,
                           int64_t depth, int threads) {
  if (!is_shallow(conv, depth) || conv.pixels() == 0) return;
  const Missing rows(conv.source_h, conv.grid_h, conv.step_h, conv.base_h,
                     conv.low_h, conv.high_h);
  const Missing columns(conv.source_w, conv.grid_w, conv.step_w, conv.base_w,
                        conv.low_w, conv.high_w);
  const int64_t h = rows.before + conv.source_h + rows.after;
  const int64_t w = columns.before + conv.source_w + columns.after;
  const double floats = static_cast<double>(h) * static_cast<double>(w) *
                        static_cast<double>(conv.source_c);
  // Offsets have 32 bits; and padding may be many times the image.
  const double image = static_cast<double>(conv.source_h * conv.source_w) *
                       static_cast<double>(conv.source_c);
  if (floats >= INT32_MAX || floats > 4 * image + 4096) return;
  conv.all_inside = true;
  if (h == conv.source_h && w == conv.source_w) return;
  const int64_t row = w * conv.source_c,
                from_row = conv.source_w * conv.source_c;
  copy_ = std::make_unique<Scratch>(static_cast<size_t>(conv.n * h * row), 1);
  float* copy = copy_->of(0);
  parallel_for(conv.n * h, threads, [&](int64_t task, int) {
    const int64_t y = task % h - rows.before;
    float* to = copy + task * row;
    if (y < 0 || y >= conv.source_h) {
      std::fill_n(to, row, 0.0f);
      return;
    }
    const int64_t left = columns.before * conv.source_c;
    std::fill_n(to, left, 0.0f);
    std::memcpy(to + left, conv.image(task / h) + y * from_row,
                static_cast<size_t>(from_row) * sizeof(float));
    std::fill(to + left + from_row, to + row, 0.0f);
  });
  conv.source = copy;
  conv.source_h = h, conv.source_w = w;
  conv.base_h += rows.before, conv.base_w += columns.before;
  set_taps(conv, taps);
}

TapRunner::TapRunner(const TapConvolution& conv, const WeightPanels& weights,
                     const MicroKernels& mk)
    : conv_(conv),
      weights_(weights),
      mk_(mk),
      taps_(conv.tap_count),
      shallow_(is_shallow(conv, weights.depth()) && conv.all_inside),
      by_position_(!shallow_ && pays_by_position(conv, mk.max_rows)),
      streaming_(streams_output(conv, weights)),
      zeros_(static_cast<size_t>(weights.depth()), 1) {
  if (shallow_)
    for (int64_t t = 0; t < taps_; t++)
      for (int64_t d = 0; d < weights.depth(); d++)
        offsets_.push_back(static_cast<int32_t>(conv.taps[t].offset + d));
  std::fill_n(zeros_.of(0), weights.depth(), 0.0f);
  const int64_t tiles = ceil_div(conv.pixels() * weights.chunks(), mk.max_rows);
  const int64_t fitting =
      kPointersPerBlock / (mk.max_rows * std::max<int64_t>(1, taps_));
  block_pixels_ =
      mk.max_rows * std::max<int64_t>(1, std::min({tiles / kWantedBlocks,
                                                   fitting, kTilesPerBlock}));
}

size_t TapRunner::scratch_floats() const {
  const int64_t pointers = block_pixels_ * (taps_ + 1) + 2 * taps_;
  return static_cast<size_t>(pointers * kPointerFloats);
}

TapRunner::Tables TapRunner::cut(float* scratch) const {
  static_assert(sizeof(int64_t) == sizeof(void*));
  Tables tables;
  tables.source = reinterpret_cast<const float**>(scratch);
  scratch += block_pixels_ * taps_ * kPointerFloats;
  tables.weight = reinterpret_cast<const float**>(scratch);
  scratch += taps_ * kPointerFloats;
  tables.out = reinterpret_cast<float**>(scratch);
  scratch += block_pixels_ * kPointerFloats;
  tables.places = reinterpret_cast<int64_t*>(scratch);
  return tables;
}

void TapRunner::multiply(const TapConvolution& conv, int64_t chunk,
                         const RowTiles& tiles, int64_t runs,
                         const int64_t* places, const Tables& tables,
                         int64_t rows) const {
  for (int64_t index = 0; index < weights_.panels(); index++) {
    const WeightPanels::Panel panel = weights_.panel(chunk, index);
    multiply_panel(conv, chunk, tiles, runs, places, tables, panel);
    for (int64_t i = 0; i < rows; i++) tables.out[i] += panel.width;
  }
}

void TapRunner::multiply_panel(const TapConvolution& conv, int64_t chunk,
                               const RowTiles& tiles, int64_t runs,
                               const int64_t* places, const Tables& tables,
                               const WeightPanels::Panel& panel) const {
  const int64_t depth = weights_.depth();
  for (int64_t run = 0; run < runs; run++)
    tables.weight[run] =
        panel.b + (places ? places[run] : run) * depth * panel.step;
  const float* bias =
      conv.bias ? conv.bias + chunk * weights_.columns() + panel.column
                : nullptr;
  for (int64_t t = 0; t < tiles.count; t++) {
    const int64_t first = tiles.begin(t);
    mk_.rows[panel.vectors][tiles.size(t)](
        {runs,
         depth,
         tables.source + first * runs,
         tables.weight,
         panel.step,
         {tables.out + first, panel.width, bias, false, conv.activation,
          streaming_}});
  }
}

void TapRunner::run_shallow(const TapConvolution& conv, int64_t chunk,
                            int64_t begin, int64_t end, float* scratch) const {
  const Tables tables = cut(scratch);
  const float** source = tables.source;
  float** out = tables.out;
  const int64_t column = chunk * weights_.columns();
  each_row(conv, begin, end,
           [&](int64_t n, int64_t i, int64_t j, int64_t count) {
             const int64_t h = i * conv.step_h + conv.base_h;
             const int64_t w = j * conv.step_w + conv.base_w;
             const float* from = conv.image(n) +
                                 (h * conv.source_w + w) * conv.source_c +
                                 chunk * weights_.depth();
             float* to = conv.out_pixel_at(n, i, j) + column;
             const int64_t step = conv.step_w * conv.source_c;
             for (int64_t pixel = 0; pixel < count; pixel++) {
               *source++ = from + pixel * step;
               *out++ = to + pixel * conv.out_pixel;
             }
           });
  const RowTiles tiles(end - begin, mk_.max_rows);
  for (int64_t index = 0; index < weights_.panels(); index++) {
    const WeightPanels::Panel panel = weights_.panel(chunk, index);
    const float* bias = conv.bias ? conv.bias + column + panel.column : nullptr;
    for (int64_t t = 0; t < tiles.count; t++) {
      const int64_t first = tiles.begin(t);
      mk_.offsets[panel.vectors][tiles.size(t)](
          {taps_ * weights_.depth(),
           tables.source + first,
           offsets_.data(),
           panel.b,
           panel.step,
           {tables.out + first, panel.width, bias, false, conv.activation,
            streaming_}});
    }
    for (int64_t i = 0; i < end - begin; i++) tables.out[i] += panel.width;
  }
}

void TapRunner::fill_tables(const TapConvolution& conv, int64_t chunk,
                            int64_t begin, const RowTiles& tiles,
                            const Tables& tables) const {
  const int64_t channel = chunk * weights_.depth();
  const int64_t column = chunk * weights_.columns();
  const float* zeros = zeros_.of(0);
  for (int64_t t = 0; t < tiles.count; t++) {
    const int64_t first = tiles.begin(t), rows = tiles.size(t);
    const float** source = tables.source + first * taps_;
    float** out = tables.out + first;
    each_pixel(conv, begin + first, begin + first + rows,
               [&](int64_t n, int64_t i, int64_t j) {
                 const float* image = conv.image(n) + channel;
                 each_tap_at(
                     conv, i, j,
                     [&](int64_t tap, int64_t offset) {
                       source[tap * rows] = image + offset;
                     },
                     [&](int64_t tap) { source[tap * rows] = zeros; });
                 source++;
                 *out++ = conv.out_pixel_at(n, i, j) + column;
               });
  }
}

void TapRunner::run(const TapConvolution& conv, int64_t chunk, int64_t begin,
                    int64_t end, float* scratch) const {
  if (shallow_) return run_shallow(conv, chunk, begin, end, scratch);
  const RowTiles tiles(end - begin, mk_.max_rows);
  const Tables tables = cut(scratch);
  fill_tables(conv, chunk, begin, tiles, tables);
  multiply(conv, chunk, tiles, taps_, nullptr, tables, end - begin);
}

bool TapRunner::pays_by_panel() const {
  constexpr int64_t least_panels = 8;
  constexpr int64_t least_floats = 128 << 10;  // of all panels
  return !shallow_ && weights_.chunks() == 1 &&
         weights_.panels() >= least_panels &&
         conv_.pixels() <= kTilesPerBlock * mk_.max_rows &&
         weights_.panels() * weights_.panel_floats() >= least_floats;
}

void TapRunner::run_by_panel(int threads) const {
  const RowTiles tiles(conv_.pixels(), mk_.max_rows);
  // A worker has its own pointers to outputs and weights, and a panel.
  const int64_t pointers = (conv_.pixels() + taps_) * kPointerFloats;
  const Scratch sources(
      static_cast<size_t>(conv_.pixels() * taps_ * kPointerFloats), 1);
  const Scratch scratch(
      static_cast<size_t>(pointers + kPanelPad + weights_.panel_floats()),
      threads);
  const auto tables_of = [&](int worker) {
    Tables tables{};
    tables.source = reinterpret_cast<const float**>(sources.of(0));
    tables.weight = reinterpret_cast<const float**>(scratch.of(worker));
    tables.out =
        reinterpret_cast<float**>(scratch.of(worker) + taps_ * kPointerFloats);
    return tables;
  };
  for (int worker = 0; worker < threads; worker++)
    fill_tables(conv_, 0, 0, tiles, tables_of(worker));
  parallel_for(weights_.panels(), threads, [&](int64_t index, int worker) {
    Tables tables = tables_of(worker);
    float* room = scratch.of(worker) + round_up(pointers, kPanelPad);
    const WeightPanels::Panel panel = weights_.pack(0, index, room);
    for (int64_t i = 0; i < conv_.pixels(); i++) tables.out[i] += panel.column;
    multiply_panel(conv_, 0, tiles, taps_, nullptr, tables, panel);
    for (int64_t i = 0; i < conv_.pixels(); i++) tables.out[i] -= panel.column;
    if (streaming_) mk_.fence();
  });
}

void TapRunner::run_position(int64_t chunk, int64_t position, int64_t begin,
                             int64_t end, float* scratch) const {
  const int64_t i = position / conv_.grid_w, j = position % conv_.grid_w;
  const RowTiles tiles(end - begin, mk_.max_rows);
  const Tables tables = cut(scratch);
  int64_t runs = 0;
  int64_t* places = tables.places;
  each_tap_at(
      conv_, i, j, [&](int64_t tap, int64_t) { places[runs++] = tap; },
      [](int64_t) {});
  const int64_t h0 = i * conv_.step_h + conv_.base_h;
  const int64_t w0 = j * conv_.step_w + conv_.base_w;
  const int64_t origin =
      (h0 * conv_.source_w + w0) * conv_.source_c + chunk * weights_.depth();
  for (int64_t t = 0; t < tiles.count; t++) {
    const int64_t first = tiles.begin(t);
    const float** source = tables.source + first * runs;
    for (int64_t run = 0; run < runs; run++)
      for (int row = 0; row < tiles.size(t); row++)
        *source++ = conv_.image(begin + first + row) + origin +
                    conv_.taps[places[run]].offset;
  }
  for (int64_t n = begin; n < end; n++)
    tables.out[n - begin] =
        conv_.out_pixel_at(n, i, j) + chunk * weights_.columns();
  multiply(conv_, chunk, tiles, runs, places, tables, end - begin);
}

void TapRunner::run_all(int threads) const {
  const int64_t pixels = conv_.pixels();
  if (pixels == 0) return;
  const Scratch scratch(scratch_floats(), threads);
  if (by_position_) {
    const int64_t images = ceil_div(conv_.n, block_pixels_);
    const int64_t blocks = conv_.grid_h * conv_.grid_w * images;
    parallel_for(blocks * weights_.chunks(), threads,
                 [&](int64_t task, int worker) {
                   const int64_t block = task % blocks;
                   run_position(task / blocks, block / images,
                                conv_.n * (block % images) / images,
                                conv_.n * (block % images + 1) / images,
                                scratch.of(worker));
                   if (streaming_) mk_.fence();
                 });
    return;
  }
  const int64_t blocks = ceil_div(pixels, block_pixels_);
  parallel_for(
      blocks * weights_.chunks(), threads, [&](int64_t task, int worker) {
        const int64_t begin = task % blocks * block_pixels_;
        run(conv_, task / blocks, begin,
            std::min(begin + block_pixels_, pixels), scratch.of(worker));
        if (streaming_) mk_.fence();
      });
}

void run_taps(TapConvolution& conv, const WeightLayout& layout,
              std::vector<Tap>& taps, const MicroKernels& mk, int threads) {
  WeightPanels weights(layout, taps, mk.lanes);
  const PaddedSource padded(conv, taps, weights.depth(), threads);
  const TapRunner runner(conv, weights, mk);
  if (runner.pays_by_panel()) return runner.run_by_panel(threads);
  weights.pack_all(threads);
  runner.run_all(threads);
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
      taps.push_back({r * d.dilation_h, s * d.dilation_w, r * across + s, 0});
  return taps;
}

TapConvolution forward_convolution(const ConvForward& f,
                                   std::vector<Tap>& taps) {
  const ConvShape& d = f.shape;
  TapConvolution conv{};
  conv.source = f.x;
  conv.source_h = d.h, conv.source_w = d.w, conv.source_c = d.c;
  conv.step_h = d.stride_h, conv.step_w = d.stride_w;
  conv.base_h = -d.pad_top, conv.base_w = -d.pad_left;
  set_taps(conv, taps);
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
      taps.push_back({h / d.stride_h, w / d.stride_w, r * d.s + s, 0});
    }
  }
  return taps;
}

TapConvolution backward_input_convolution(const ConvBackwardInput& b,
                                          int64_t class_h, int64_t class_w,
                                          std::vector<Tap>& taps) {
  const ConvShape& d = b.shape;
  TapConvolution conv{};
  conv.source = b.dy;
  conv.source_h = d.p, conv.source_w = d.q, conv.source_c = d.k;
  conv.step_h = conv.step_w = 1;
  set_taps(conv, taps);
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
