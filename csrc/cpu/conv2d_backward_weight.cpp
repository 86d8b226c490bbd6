// Backward-weight: for each tap t, dW_t = X_t^T dY, a product whose long
// dimension is the pixels. The micro-kernel keeps a (channels x outputs) tile
// of one tap in registers while output rows pass as its runs, read in place.
//
// dW is cut into parts that stay in L2 (parts), the pixels into chunks; a task
// is one part of one chunk, and visits all its tiles for one L2-sized band of
// rows before it goes to the next, so that x and dy come from memory once a
// part. Both cuts follow from the shape alone, each chunk has a sum of its own,
// and the sums are added in chunk order: the bits do not depend on the number
// of threads. Few channels would leave the tile empty: then all taps' channels
// are its rows.
#include <algorithm>
#include <cstring>

#include "common/integers.h"
#include "cpu/algorithm.h"
#include "cpu/allocator.h"
#include "cpu/chunk_sums.h"
#include "cpu/conv2d.h"
#include "cpu/conv2d_pointwise.h"
#include "cpu/conv2d_winograd.h"
#include "cpu/elementwise.h"
#include "cpu/narrow_groups.h"
#include "cpu/parallel.h"
#include "cpu/tap_convolution.h"

namespace tw::cpu {
namespace {

constexpr int64_t kBandBytes = 256 << 10;
constexpr int64_t kPartBytes = 256 << 10;
constexpr double kFlopsPerTask = 1e7;
constexpr int64_t kMaxTasks = 64;
constexpr int64_t kShallow = 8;  // channels

// Output rows [begin, end) of all images, counted through.
struct Rows {
  int64_t begin, end;
};

// How dW's tiles and the output rows are shared out. `row_floats` of x and dy
// belong to one output row.
struct Cut {
  Cut(const ConvShape& d, int64_t tile_count, int64_t row_floats)
      : tiles(tile_count), rows(d.n * d.p) {
    const int64_t bytes = d.r * d.s * d.group_c() * d.k * 4;
    band =
        std::max<int64_t>(1, kBandBytes / 4 / std::max<int64_t>(1, row_floats));
    parts = std::clamp<int64_t>(ceil_div(bytes, kPartBytes), 1, tiles);
    const auto wanted = static_cast<int64_t>(d.flops() / kFlopsPerTask);
    chunks = std::clamp<int64_t>(ceil_div(std::min(wanted, kMaxTasks), parts),
                                 1, std::max<int64_t>(1, ceil_div(rows, band)));
  }

  int64_t tasks() const { return parts * chunks; }
  Rows chunk(int64_t index) const {
    return {rows * index / chunks, rows * (index + 1) / chunks};
  }
  int64_t first_tile(int64_t part) const { return tiles * part / parts; }

  int64_t tiles, rows, band, parts, chunks;
};

// Calls visit(band) over a chunk's rows.
template <class Visit>
void each_band(Rows chunk, int64_t band, Visit visit) {
  for (int64_t begin = chunk.begin; begin < chunk.end; begin += band)
    visit(Rows{begin, std::min(begin + band, chunk.end)});
}

// The outputs [begin, end) of one spatial axis whose tap falls inside.
struct Inside {
  Inside(int64_t extent, int64_t outputs, int64_t stride, int64_t offset)
      : begin(std::clamp<int64_t>(-floor_div(offset, stride), 0, outputs)),
        end(std::clamp<int64_t>(floor_div(extent - 1 - offset, stride) + 1,
                                begin, outputs)) {}
  int64_t begin, end;

 private:
  static int64_t floor_div(int64_t a, int64_t b) {
    return a >= 0 ? a / b : -((-a + b - 1) / b);
  }
};

// One run for each output row of the band that meets tap (r, s).
struct TapRuns {
  int64_t count, length;
  int64_t x_step;
};

TapRuns tap_runs(const ConvShape& d, const float* x, const float* dy, int64_t r,
                 int64_t s, Rows band, const float** x_runs,
                 const float** dy_runs) {
  const int64_t h_offset = r * d.dilation_h - d.pad_top;
  const int64_t w_offset = s * d.dilation_w - d.pad_left;
  const Inside across(d.w, d.q, d.stride_w, w_offset);
  TapRuns runs{0, across.end - across.begin, d.stride_w * d.c};
  for (int64_t row = band.begin; row < band.end; row++) {
    const int64_t n = row / d.p, p = row % d.p;
    const int64_t h = p * d.stride_h + h_offset;
    if (h < 0 || h >= d.h || runs.length == 0) continue;
    const int64_t w = across.begin * d.stride_w + w_offset;
    x_runs[runs.count] = x + ((n * d.h + h) * d.w + w) * d.c;
    dy_runs[runs.count++] = dy + (row * d.q + across.begin) * d.k;
  }
  return runs;
}

size_t pointer_floats(int64_t pointers) {
  return static_cast<size_t>(pointers) * (sizeof(void*) / sizeof(float));
}

// A panel of dy's columns: in place, or, where it is not full, a padded copy
// of the band's rows, for the micro-kernel reads whole vectors.
struct DyPanel {
  int64_t column, width;
  int vectors;
  bool copied;
};

DyPanel dy_panel(int64_t index, int64_t columns, int lanes) {
  DyPanel panel{index * 2 * lanes, 0, 2, false};
  panel.width = std::min<int64_t>(2 * lanes, columns - panel.column);
  panel.vectors = panel.width <= lanes ? 1 : 2;
  panel.copied = panel.width != panel.vectors * lanes;
  return panel;
}

void copy_dy(const float* from, int64_t pixels, int64_t k, const DyPanel& panel,
             int lanes, float* to) {
  const int64_t step = panel.vectors * lanes;
  for (int64_t i = 0; i < pixels; i++, from += k, to += step) {
    std::memcpy(to, from, static_cast<size_t>(panel.width) * sizeof(float));
    std::fill(to + panel.width, to + step, 0.0f);
  }
}

// Adds columns^T panel to rows of `sums`, whose row stride is k: `channels`
// rows, tile by tile.
void add_product(const MicroKernels& mk, const TapRuns& runs,
                 const float** x_runs, const float* const* dy_runs,
                 int64_t dy_step, int64_t channels, const DyPanel& panel,
                 float* sums, int64_t k, bool accumulate) {
  const RowTiles tiles(channels, mk.max_rows);
  int64_t at = 0;
  for (int64_t t = 0; t < tiles.count; t++) {
    const int rows = tiles.size(t);
    for (int64_t i = 0; i < runs.count; i++) x_runs[i] += tiles.begin(t) - at;
    at = tiles.begin(t);
    float* c[kMaxTileRows];
    for (int i = 0; i < rows; i++) c[i] = sums + (at + i) * k;
    mk.columns[panel.vectors][rows](
        {runs.count,
         runs.length,
         x_runs,
         runs.x_step,
         dy_runs,
         dy_step,
         {c, panel.width, nullptr, accumulate, Activation::none}});
  }
}

template <const MicroKernels& mk>
void run_implicit(const ConvBackwardWeight& b) {
  const ConvShape& d = b.shape;
  const int threads = threads_for_flops(d.flops());
  const int64_t panels = ceil_div(d.group_k(), 2 * mk.lanes);
  const int64_t taps = d.r * d.s;
  const Cut cut(d, d.groups * panels * taps,
                d.stride_h * d.w * d.c + d.q * d.k);
  const ChunkSums sums(b.dweight, taps * d.group_c() * d.k, cut.chunks);
  const int64_t band = std::min(cut.band, cut.rows);
  const size_t pointers = pointer_floats(2 * band);
  const Scratch scratch(
      pointers + static_cast<size_t>(band * d.q * 2 * mk.lanes), threads);
  parallel_for(cut.tasks(), threads, [&](int64_t task, int worker) {
    const int64_t chunk = task / cut.parts, part = task % cut.parts;
    auto** x_runs = reinterpret_cast<const float**>(scratch.of(worker));
    const float** dy_runs = x_runs + band;
    float* copy = scratch.of(worker) + pointers;
    bool accumulate = false;
    each_band(cut.chunk(chunk), cut.band, [&](Rows rows) {
      int64_t copied = -1;  // the panel that `copy` holds
      for (int64_t tile = cut.first_tile(part); tile < cut.first_tile(part + 1);
           tile++) {
        const int64_t tap = tile % taps, group = tile / taps / panels;
        const DyPanel panel =
            dy_panel(tile / taps % panels, d.group_k(), mk.lanes);
        const int64_t column = group * d.group_k() + panel.column;
        const float* dy = b.dy + column;
        int64_t dy_step = d.k;
        const TapRuns runs =
            tap_runs(d, b.x + group * d.group_c(), dy, tap / d.s, tap % d.s,
                     rows, x_runs, dy_runs);
        if (panel.copied) {
          const float* first = dy + rows.begin * d.q * d.k;
          if (copied != tile / taps)
            copy_dy(first, (rows.end - rows.begin) * d.q, d.k, panel, mk.lanes,
                    copy);
          copied = tile / taps;
          dy_step = panel.vectors * mk.lanes;
          for (int64_t i = 0; i < runs.count; i++)
            dy_runs[i] = copy + (dy_runs[i] - first) / d.k * dy_step;
        }
        add_product(mk, runs, x_runs, dy_runs, dy_step, d.group_c(), panel,
                    sums.of(chunk) + tap * d.group_c() * d.k + column, d.k,
                    accumulate);
      }
      accumulate = true;
    });
  });
  sums.add_up();
  bias_gradient({b.dy, d.k, d.n * d.p * d.q, d.k, b.dbias});
}

// Few channels: the tile's rows are the r * s * c numbers of a pixel's patch,
// at offsets that all pixels share, in images padded by a copy.
template <const MicroKernels& mk>
void run_shallow(const ConvBackwardWeight& b) {
  const ConvShape& d = b.shape;
  const int threads = threads_for_flops(d.flops());
  std::vector<Tap> taps;
  for (int64_t t = 0; t < d.r * d.s; t++)
    taps.push_back({t / d.s * d.dilation_h, t % d.s * d.dilation_w, t, 0});
  TapConvolution conv = forward_convolution(
      {d, b.x, nullptr, nullptr, Activation::none, nullptr}, taps);
  const PaddedSource padded(conv, taps, d.c, threads);
  if (!conv.all_inside) return run_implicit<mk>(b);
  std::vector<int32_t> offsets;
  for (const Tap& tap : taps)
    for (int64_t c = 0; c < d.c; c++)
      offsets.push_back(static_cast<int32_t>(tap.offset + c));

  const int64_t panels = ceil_div(d.k, 2 * mk.lanes);
  const auto patch = static_cast<int64_t>(offsets.size());
  const RowTiles tiles(patch, mk.max_rows);
  const Cut cut(d, panels * tiles.count,
                d.stride_h * conv.source_w * d.c + d.q * d.k);
  const ChunkSums sums(b.dweight, patch * d.k, cut.chunks);
  const int64_t band = std::min(cut.band, cut.rows);
  const size_t pointers = pointer_floats(2 * band);
  const Scratch scratch(
      pointers + static_cast<size_t>(band * d.q * 2 * mk.lanes), threads);
  parallel_for(cut.tasks(), threads, [&](int64_t task, int worker) {
    const int64_t chunk = task / cut.parts, part = task % cut.parts;
    auto** x_runs = reinterpret_cast<const float**>(scratch.of(worker));
    const float** dy_runs = x_runs + band;
    float* copy = scratch.of(worker) + pointers;
    bool accumulate = false;
    each_band(cut.chunk(chunk), cut.band, [&](Rows rows) {
      const int64_t count = rows.end - rows.begin;
      for (int64_t i = 0; i < count; i++) {
        const int64_t row = rows.begin + i;
        const int64_t h = row % d.p * conv.step_h + conv.base_h;
        x_runs[i] = conv.image(row / d.p) +
                    (h * conv.source_w + conv.base_w) * conv.source_c;
      }
      int64_t copied = -1;  // the panel that `copy` holds
      for (int64_t index = cut.first_tile(part);
           index < cut.first_tile(part + 1); index++) {
        const int64_t t = index % tiles.count;
        const DyPanel panel = dy_panel(index / tiles.count, d.k, mk.lanes);
        const float* dy = b.dy + rows.begin * d.q * d.k + panel.column;
        int64_t dy_step = d.k;
        if (panel.copied) {
          if (copied != index / tiles.count)
            copy_dy(dy, count * d.q, d.k, panel, mk.lanes, copy);
          copied = index / tiles.count;
          dy = copy, dy_step = panel.vectors * mk.lanes;
        }
        for (int64_t i = 0; i < count; i++) dy_runs[i] = dy + i * d.q * dy_step;
        float* c[kMaxTileRows];
        for (int i = 0; i < tiles.size(t); i++)
          c[i] = sums.of(chunk) + (tiles.begin(t) + i) * d.k + panel.column;
        mk.offset_columns[panel.vectors][tiles.size(t)](
            {count,
             d.q,
             x_runs,
             conv.step_w * conv.source_c,
             offsets.data() + tiles.begin(t),
             dy_runs,
             dy_step,
             {c, panel.width, nullptr, accumulate, Activation::none}});
      }
      accumulate = true;
    });
  });
  sums.add_up();
  bias_gradient({b.dy, d.k, d.n * d.p * d.q, d.k, b.dbias});
}

// Adds outputs [begin, end) of row `p` of image `n`, for all of which the same
// taps are inside.
void add_dots(const ConvBackwardWeight& b, const GroupKernels& kernels,
              int64_t n, int64_t p, int64_t begin, int64_t end, float* sums) {
  const ConvShape& d = b.shape;
  GroupDots dots{};
  dots.dy = b.dy + ((n * d.p + p) * d.q + begin) * d.k;
  dots.length = end - begin;
  dots.x_step = d.stride_w * d.c, dots.dy_step = d.k;
  dots.channels = d.c;
  const auto add = [&] {
    if (dots.taps > 0) kernels.dots(dots);
    dots.taps = 0;
  };
  for (int64_t tap = 0; tap < d.r * d.s; tap++) {
    const int64_t h = p * d.stride_h + tap / d.s * d.dilation_h - d.pad_top;
    const int64_t w =
        begin * d.stride_w + tap % d.s * d.dilation_w - d.pad_left;
    if (h < 0 || h >= d.h || w < 0 || w >= d.w) continue;
    dots.x[dots.taps] = b.x + ((n * d.h + h) * d.w + w) * d.c;
    dots.sums[dots.taps++] = sums + tap * d.group_c() * d.c;
    if (dots.taps == kernels.most_taps) add();
  }
  add();
}

template <const NarrowGroupKernels& kernels>
void run_narrow_groups(const ConvBackwardWeight& b) {
  const ConvShape& d = b.shape;
  const GroupKernels& group = *kernels.of(d.group_c());
  const int threads = threads_for_flops(d.flops());
  const int64_t size = d.r * d.s * d.group_c() * d.c;
  const Cut cut(d, 1, d.stride_h * d.w * d.c + d.q * d.k);
  const ChunkSums sums(b.dweight, size, cut.chunks);
  const ChunkSums biases(b.dbias, d.k, cut.chunks);
  // The outputs for which all taps are inside, and those on either side.
  const Inside left(d.w, d.q, d.stride_w, -d.pad_left);
  const Inside right(d.w, d.q, d.stride_w,
                     (d.s - 1) * d.dilation_w - d.pad_left);
  const int64_t first = std::min(left.begin, right.end);
  const Scratch ones(static_cast<size_t>(d.k), 1);
  std::fill_n(ones.of(0), d.k, 1.0f);
  parallel_for(cut.chunks, threads, [&](int64_t chunk, int) {
    float* to = sums.of(chunk);
    std::fill_n(to, size, 0.0f);
    // dbias, while dy is at hand: the tap of a source of ones.
    GroupDots bias{};
    bias.taps = 1;
    bias.x[0] = ones.of(0);
    bias.sums[0] = biases.of(chunk);
    bias.length = d.q, bias.dy_step = d.k, bias.channels = d.k;
    std::fill_n(bias.sums[0], d.k, 0.0f);
    const Rows rows = cut.chunk(chunk);
    for (int64_t row = rows.begin; row < rows.end; row++) {
      const int64_t n = row / d.p, p = row % d.p;
      for (int64_t j = 0; j < d.q; j++) {
        const int64_t end = j == first ? std::max(right.end, j + 1) : j + 1;
        add_dots(b, group, n, p, j, end, to);
        j = end - 1;
      }
      bias.dy = b.dy + row * d.q * d.k;
      kernels.of(1)->dots(bias);
    }
  });
  sums.add_up();
  biases.add_up();
}

const char* refuse_deep(const ConvBackwardWeight& b) {
  const ConvShape& d = b.shape;
  return d.groups == 1 && d.c < kShallow && d.r * d.s > 1
             ? nullptr
             : "eight channels or more, one tap, or groups";
}

template <const MicroKernels& mk>
void pointwise(const ConvBackwardWeight& b) {
  run_pointwise(b, mk);
}

const Algorithm<ConvBackwardWeight> kAlgorithms[] = {
#if defined(__x86_64__)
    winograd<ConvBackwardWeight, ConvWay::winograd4, avx512::kMicroKernels,
             avx512::kWinograd4>("winograd4_avx512", Isa::avx512),
    winograd<ConvBackwardWeight, ConvWay::winograd2, avx512::kMicroKernels,
             avx512::kWinograd2>("winograd2_avx512", Isa::avx512),
    {"pointwise_avx512", Isa::avx512, refuse_not_pointwise,
     pointwise<avx512::kMicroKernels>, slower_pointwise},
    {"narrow_groups_avx512", Isa::avx512,
     refuse_wide_groups<avx512::kNarrowGroups>,
     run_narrow_groups<avx512::kNarrowGroups>},
    {"shallow_avx512", Isa::avx512, refuse_deep,
     run_shallow<avx512::kMicroKernels>},
    {"implicit_avx512", Isa::avx512, refuse_none,
     run_implicit<avx512::kMicroKernels>},
    winograd<ConvBackwardWeight, ConvWay::winograd4, avx2::kMicroKernels,
             avx2::kWinograd4>("winograd4_avx2", Isa::avx2),
    winograd<ConvBackwardWeight, ConvWay::winograd2, avx2::kMicroKernels,
             avx2::kWinograd2>("winograd2_avx2", Isa::avx2),
    {"pointwise_avx2", Isa::avx2, refuse_not_pointwise,
     pointwise<avx2::kMicroKernels>, slower_pointwise},
    {"narrow_groups_avx2", Isa::avx2, refuse_wide_groups<avx2::kNarrowGroups>,
     run_narrow_groups<avx2::kNarrowGroups>},
    {"shallow_avx2", Isa::avx2, refuse_deep, run_shallow<avx2::kMicroKernels>},
    {"implicit_avx2", Isa::avx2, refuse_none,
     run_implicit<avx2::kMicroKernels>},
#elif defined(__aarch64__)
    winograd<ConvBackwardWeight, ConvWay::winograd4, neon::kMicroKernels,
             neon::kWinograd4>("winograd4_neon", Isa::neon),
    winograd<ConvBackwardWeight, ConvWay::winograd2, neon::kMicroKernels,
             neon::kWinograd2>("winograd2_neon", Isa::neon),
    {"pointwise_neon", Isa::neon, refuse_not_pointwise,
     pointwise<neon::kMicroKernels>, slower_pointwise},
    {"narrow_groups_neon", Isa::neon, refuse_wide_groups<neon::kNarrowGroups>,
     run_narrow_groups<neon::kNarrowGroups>},
    {"shallow_neon", Isa::neon, refuse_deep, run_shallow<neon::kMicroKernels>},
    {"implicit_neon", Isa::neon, refuse_none,
     run_implicit<neon::kMicroKernels>},
#endif
    {"ref", Isa::ref, refuse_none, ref::conv2d_backward_weight},
};
const AlgorithmList kList("conv2d_backward_weight", kAlgorithms);

}  // namespace

void conv2d_backward_weight(const ConvBackwardWeight& problem) {
  const ConvShape& d = problem.shape;
  if (d.n == 0) {
    std::fill_n(problem.dweight, d.r * d.s * d.group_c() * d.k, 0.0f);
    std::fill_n(problem.dbias, d.k, 0.0f);
    return;
  }
  kList.run(problem);
}

}  // namespace tw::cpu
