// Forward and backward-input, both as tap convolutions (tap_convolution.h):
// an implicit GEMM that stores no im2col matrix. Bound by FMA for more than a
// few channels; the blocks of pixels are cut without regard to the number of
// threads and each output is summed whole by one of them, taps in order, then
// channels, so the bits do not depend on it.
#include "cpu/conv2d.h"

#include <algorithm>

#include "common/integers.h"
#include "cpu/algorithm.h"
#include "cpu/conv2d_dots.h"
#include "cpu/conv2d_winograd.h"
#include "cpu/narrow_groups.h"
#include "cpu/parallel.h"
#include "cpu/streaming.h"
#include "cpu/tap_convolution.h"

namespace tw::cpu {
namespace {

constexpr int64_t kRowsPerTask = 8;

template <const MicroKernels& mk>
void run_implicit(const ConvForward& f) {
  const int threads = threads_for_flops(f.shape.flops());
  std::vector<Tap> taps = forward_taps(f);
  TapConvolution conv = forward_convolution(f, taps);
  run_taps(conv, forward_weights(f), taps, mk, threads);
}

// Visits each residue class of input pixels modulo the stride.
template <class Visit>
void each_class(const ConvBackwardInput& b, Visit visit) {
  const ConvShape& d = b.shape;
  for (int64_t h = 0; h < std::min(d.stride_h, d.h); h++)
    for (int64_t w = 0; w < std::min(d.stride_w, d.w); w++) {
      std::vector<Tap> taps = backward_input_taps(b, h, w);
      TapConvolution conv = backward_input_convolution(b, h, w, taps);
      visit(conv, taps);
    }
}

template <const MicroKernels& mk>
void run_implicit(const ConvBackwardInput& b) {
  const int threads = threads_for_flops(b.shape.flops());
  each_class(b, [&](TapConvolution& conv, std::vector<Tap>& taps) {
    run_taps(conv, backward_input_weights(b), taps, mk, threads);
  });
}

// The grid's columns for which all taps are inside.
struct InnerColumns {
  explicit InnerColumns(const TapConvolution& conv) {
    const int64_t before = -(conv.base_w + conv.low_w);
    const int64_t last = conv.source_w - 1 - conv.base_w - conv.high_w;
    begin = std::clamp<int64_t>(before > 0 ? ceil_div(before, conv.step_w) : 0,
                                0, conv.grid_w);
    end = std::clamp<int64_t>(last < 0 ? 0 : last / conv.step_w + 1, begin,
                              conv.grid_w);
  }
  int64_t begin, end;
};

// run_row(n, i, sources, weights) for each row of the grid, with room for a
// pointer of both kinds a tap. A task is a few rows, which share most of their
// source.
template <class RunRow>
void each_grid_row(const TapConvolution& conv, int threads, RunRow run_row) {
  const int64_t taps = conv.tap_count, rows = conv.n * conv.grid_h;
  const size_t pointer_bytes = static_cast<size_t>(2 * taps) * sizeof(void*);
  const Scratch scratch(pointer_bytes / sizeof(float), threads);
  parallel_for(
      ceil_div(rows, kRowsPerTask), threads, [&](int64_t task, int worker) {
        auto** sources = reinterpret_cast<const float**>(scratch.of(worker));
        const int64_t end = std::min(rows, (task + 1) * kRowsPerTask);
        for (int64_t row = task * kRowsPerTask; row < end; row++)
          run_row(row / conv.grid_h, row % conv.grid_h, sources,
                  sources + taps);
      });
}

// `weight` is (taps, width of a group, channels).
void run_taps_narrow(const TapConvolution& conv, const GroupKernels& kernels,
                     const float* weight, int64_t width, int64_t channels,
                     int threads) {
  InnerColumns inner(conv);
  if (conv.tap_count > kMaxRowTaps) inner.end = inner.begin;
  const bool streaming = pays_streaming(conv.out, conv.n * conv.out_image) &&
                         conv.activation <= Activation::relu &&
                         channels % kLineFloats == 0;
  const auto run_row = [&](int64_t n, int64_t i, const float** sources,
                           const float** weights) {
    for (int64_t j = 0; j < conv.grid_w; j++) {
      int64_t inside = 0;
      each_tap_at(
          conv, i, j,
          [&](int64_t tap, int64_t offset) {
            sources[inside] = conv.image(n) + offset;
            weights[inside++] =
                weight + conv.taps[tap].index * width * channels;
          },
          [](int64_t) {});
      float* out = conv.out_pixel_at(n, i, j);
      if (j != inner.begin || inner.end == inner.begin) {
        kernels.pixel(inside, sources, weights, channels, conv.bias,
                      conv.activation, out);
        continue;
      }
      const int64_t below = (i + 1) * conv.step_h + conv.base_h + conv.high_h;
      const float* next =
          conv.image(n) + (std::min(below, conv.source_h - 1) * conv.source_w +
                           j * conv.step_w + conv.base_w + conv.low_w) *
                              conv.source_c;
      kernels.row(inside, sources, weights, channels, inner.end - j,
                  conv.step_w * conv.source_c, next, conv.bias, conv.activation,
                  out, conv.out_pixel, streaming);
      j = inner.end - 1;
    }
  };
  each_grid_row(conv, threads, run_row);
}

// Backward-input to few channels. Along the inner columns of a row the taps
// stay the same and move on by a pixel.
template <const ConvDotsKernels& kernels>
void run_taps_dots(const TapConvolution& conv, const float* weight,
                   int64_t columns, int threads) {
  const int64_t depth = conv.source_c;
  const InnerColumns inner(conv);
  const auto run_row = [&](int64_t n, int64_t i, const float** sources,
                           const float** weights) {
    int64_t inside = 0;
    for (int64_t j = 0; j < conv.grid_w; j++) {
      if (j > inner.begin && j < inner.end) {
        for (int64_t t = 0; t < inside; t++)
          sources[t] += conv.step_w * conv.source_c;
      } else {
        inside = 0;
        each_tap_at(
            conv, i, j,
            [&](int64_t tap, int64_t offset) {
              sources[inside] = conv.image(n) + offset;
              weights[inside++] =
                  weight + conv.taps[tap].index * columns * depth;
            },
            [](int64_t) {});
      }
      kernels.pixel(inside, sources, weights, depth, columns,
                    conv.out_pixel_at(n, i, j));
    }
  };
  each_grid_row(conv, threads, run_row);
}

template <const ConvDotsKernels& kernels>
void run_dots(const ConvBackwardInput& b) {
  const int threads = threads_for_flops(b.shape.flops());
  each_class(b, [&](const TapConvolution& conv, const std::vector<Tap>&) {
    run_taps_dots<kernels>(conv, b.weight, b.shape.c, threads);
  });
}

const char* refuse_many_channels(const ConvBackwardInput& b) {
  if (b.shape.groups != 1) return "groups";
  return b.shape.c <= kMostDotColumns ? nullptr : "more than four channels";
}

const char* slower_dots(const ConvBackwardInput& b) {
  return b.shape.k >= 8 ? nullptr : "fewer than eight output channels";
}

template <const NarrowGroupKernels& kernels>
void run_narrow_groups(const ConvForward& f) {
  const int64_t width = f.shape.group_c();
  std::vector<Tap> taps = forward_taps(f);
  run_taps_narrow(forward_convolution(f, taps), *kernels.of(width), f.weight,
                  width, f.shape.c, threads_for_flops(f.shape.flops()));
}

// Each tap's weights with inputs and outputs exchanged within the groups.
void exchange_places(const ConvShape& d, const float* from, float* to) {
  const int64_t width = d.group_c();
  for (int64_t group = 0; group < d.c; group += width)
    for (int64_t i = 0; i < width; i++)
      for (int64_t k = 0; k < width; k++)
        to[k * d.c + group + i] = from[i * d.c + group + k];
}

template <const NarrowGroupKernels& kernels>
void run_narrow_groups(const ConvBackwardInput& b) {
  const ConvShape& d = b.shape;
  const int threads = threads_for_flops(d.flops());
  const int64_t width = d.group_c(), matrix = width * d.c, taps = d.r * d.s;
  const float* weight = b.weight;
  const Scratch exchanged(width > 1 ? static_cast<size_t>(taps * matrix) : 0,
                          1);
  if (width > 1) {
    weight = exchanged.of(0);
    parallel_for(taps, threads, [&](int64_t tap, int) {
      exchange_places(d, b.weight + tap * matrix,
                      exchanged.of(0) + tap * matrix);
    });
  }
  each_class(b, [&](const TapConvolution& conv, const std::vector<Tap>&) {
    run_taps_narrow(conv, *kernels.of(width), weight, width, d.c, threads);
  });
}

const Algorithm<ConvForward> kForward[] = {
#if defined(__x86_64__)
    winograd<ConvForward, ConvWay::winograd4, avx512::kMicroKernels,
             avx512::kWinograd4>("winograd4_avx512", Isa::avx512),
    winograd<ConvForward, ConvWay::winograd2, avx512::kMicroKernels,
             avx512::kWinograd2>("winograd2_avx512", Isa::avx512),
    {"narrow_groups_avx512", Isa::avx512,
     refuse_wide_groups<avx512::kNarrowGroups>,
     run_narrow_groups<avx512::kNarrowGroups>},
    {"implicit_avx512", Isa::avx512, refuse_none,
     run_implicit<avx512::kMicroKernels>},
    winograd<ConvForward, ConvWay::winograd4, avx2::kMicroKernels,
             avx2::kWinograd4>("winograd4_avx2", Isa::avx2),
    winograd<ConvForward, ConvWay::winograd2, avx2::kMicroKernels,
             avx2::kWinograd2>("winograd2_avx2", Isa::avx2),
    {"narrow_groups_avx2", Isa::avx2, refuse_wide_groups<avx2::kNarrowGroups>,
     run_narrow_groups<avx2::kNarrowGroups>},
    {"implicit_avx2", Isa::avx2, refuse_none,
     run_implicit<avx2::kMicroKernels>},
#elif defined(__aarch64__)
    winograd<ConvForward, ConvWay::winograd4, neon::kMicroKernels,
             neon::kWinograd4>("winograd4_neon", Isa::neon),
    winograd<ConvForward, ConvWay::winograd2, neon::kMicroKernels,
             neon::kWinograd2>("winograd2_neon", Isa::neon),
    {"narrow_groups_neon", Isa::neon, refuse_wide_groups<neon::kNarrowGroups>,
     run_narrow_groups<neon::kNarrowGroups>},
    {"implicit_neon", Isa::neon, refuse_none,
     run_implicit<neon::kMicroKernels>},
#endif
    {"ref", Isa::ref, refuse_none, ref::conv2d},
};
const AlgorithmList kForwardList("conv2d", kForward);

const Algorithm<ConvBackwardInput> kBackwardInput[] = {
#if defined(__x86_64__)
    {"dots_avx512", Isa::avx512, refuse_many_channels,
     run_dots<avx512::kConvDots>, slower_dots},
    winograd<ConvBackwardInput, ConvWay::winograd4, avx512::kMicroKernels,
             avx512::kWinograd4>("winograd4_avx512", Isa::avx512),
    winograd<ConvBackwardInput, ConvWay::winograd2, avx512::kMicroKernels,
             avx512::kWinograd2>("winograd2_avx512", Isa::avx512),
    {"narrow_groups_avx512", Isa::avx512,
     refuse_wide_groups<avx512::kNarrowGroups>,
     run_narrow_groups<avx512::kNarrowGroups>},
    {"implicit_avx512", Isa::avx512, refuse_none,
     run_implicit<avx512::kMicroKernels>},
    {"dots_avx2", Isa::avx2, refuse_many_channels, run_dots<avx2::kConvDots>,
     slower_dots},
    winograd<ConvBackwardInput, ConvWay::winograd4, avx2::kMicroKernels,
             avx2::kWinograd4>("winograd4_avx2", Isa::avx2),
    winograd<ConvBackwardInput, ConvWay::winograd2, avx2::kMicroKernels,
             avx2::kWinograd2>("winograd2_avx2", Isa::avx2),
    {"narrow_groups_avx2", Isa::avx2, refuse_wide_groups<avx2::kNarrowGroups>,
     run_narrow_groups<avx2::kNarrowGroups>},
    {"implicit_avx2", Isa::avx2, refuse_none,
     run_implicit<avx2::kMicroKernels>},
#elif defined(__aarch64__)
    {"dots_neon", Isa::neon, refuse_many_channels, run_dots<neon::kConvDots>,
     slower_dots},
    winograd<ConvBackwardInput, ConvWay::winograd4, neon::kMicroKernels,
             neon::kWinograd4>("winograd4_neon", Isa::neon),
    winograd<ConvBackwardInput, ConvWay::winograd2, neon::kMicroKernels,
             neon::kWinograd2>("winograd2_neon", Isa::neon),
    {"narrow_groups_neon", Isa::neon, refuse_wide_groups<neon::kNarrowGroups>,
     run_narrow_groups<neon::kNarrowGroups>},
    {"implicit_neon", Isa::neon, refuse_none,
     run_implicit<neon::kMicroKernels>},
#endif
    {"ref", Isa::ref, refuse_none, ref::conv2d_backward_input},
};
const AlgorithmList kBackwardInputList("conv2d_backward_input", kBackwardInput);

}  // namespace

void conv2d(const ConvForward& problem) { kForwardList.run(problem); }

void conv2d_backward_input(const ConvBackwardInput& problem) {
  kBackwardInputList.run(problem);
}

}  // namespace tw::cpu
