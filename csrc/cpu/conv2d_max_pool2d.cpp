// Convolution + bias + ReLU + max-pool in one pass. A task makes one band of
// pooled rows of one image: the convolution rows under it go to a scratch that
// stays in L1 and are pooled from there, so the largest activation of a network
// is never written to memory, and rows and columns that a window drops are
// never computed. The index is one byte; 255 says that ReLU let nothing
// through, so the backward pass needs no other mask.
#include <algorithm>

#include "common/integers.h"
#include "cpu/algorithm.h"
#include "cpu/conv2d.h"
#include "cpu/conv2d_winograd.h"
#include "cpu/parallel.h"
#include "cpu/pool2d.h"
#include "cpu/tap_convolution.h"

namespace tw::cpu {
namespace {

constexpr int64_t kBandBytes = 32 << 10;  // an L1

// Convolution rows under `rows` pooled rows.
int64_t conv_rows(const ConvMaxPool& f, int64_t rows) {
  return (rows - 1) * f.pool_stride_h + f.window_h;
}

// Pooled rows a band: as many as fit the scratch, at least one.
int64_t band_rows(const ConvMaxPool& f, int64_t row_floats) {
  int64_t rows = 1;
  while (rows < f.pooled_p &&
         conv_rows(f, rows + 1) * row_floats * 4 <= kBandBytes)
    rows++;
  return rows;
}

template <const MicroKernels& mk>
void run_fused(const ConvMaxPool& f) {
  const ConvShape& d = f.conv.shape;
  if (d.n == 0) return;
  const int threads = threads_for_flops(d.flops());
  const int64_t across = (f.pooled_q - 1) * f.pool_stride_w + f.window_w;
  const int64_t row_floats = across * d.k;
  const int64_t band = band_rows(f, row_floats);
  const int64_t bands = ceil_div(f.pooled_p, band);

  std::vector<Tap> taps = forward_taps(f.conv);
  TapConvolution whole = forward_convolution(f.conv, taps);
  whole.grid_h = conv_rows(f, f.pooled_p);
  whole.grid_w = across;
  WeightPanels weights(forward_weights(f.conv), taps, mk.lanes);
  weights.pack_all(threads);
  const PaddedSource padded(whole, taps, weights.depth(), threads);
  whole.n = 1;
  whole.grid_h = conv_rows(f, band);
  whole.out_row = row_floats;
  const TapRunner runner(whole, weights, mk);
  const Scratch conv_out(static_cast<size_t>(whole.grid_h * row_floats),
                         threads);
  const Scratch scratch(runner.scratch_floats(), threads);

  parallel_for(d.n * bands, threads, [&](int64_t task, int worker) {
    const int64_t n = task / bands;
    const int64_t begin = task % bands * band;
    const int64_t rows = std::min(band, f.pooled_p - begin);
    TapConvolution part = whole;
    part.source = whole.image(n);
    part.base_h += begin * f.pool_stride_h * d.stride_h;
    part.grid_h = conv_rows(f, rows);
    part.out = conv_out.of(worker);
    const int64_t block = runner.block_pixels();
    for (int64_t chunk = 0; chunk < weights.chunks(); chunk++)
      for (int64_t pixel = 0; pixel < part.pixels(); pixel += block)
        runner.run(part, chunk, pixel, std::min(pixel + block, part.pixels()),
                   scratch.of(worker));
    const int64_t out = ((n * f.pooled_p + begin) * f.pooled_q) * d.k;
    max_pool2d_rows(conv_out.of(worker), row_floats, across, d.k, f.window_h,
                    f.window_w, f.pool_stride_h, f.pool_stride_w, f.pooled_q,
                    rows, f.conv.activation == Activation::relu, f.y + out,
                    f.indices + out);
  });
}

void run_in_two(const ConvMaxPool& f) {
  const ConvShape& d = f.conv.shape;
  const Scratch conv_out(static_cast<size_t>(d.n * d.p * d.q * d.k), 1);
  ConvForward conv = f.conv;
  conv.y = conv_out.of(0);
  ref::conv2d(conv);
  const int64_t image = d.p * d.q * d.k;
  const int64_t pooled = f.pooled_p * f.pooled_q * d.k;
  for (int64_t n = 0; n < d.n; n++)
    max_pool2d_rows(conv.y + n * image, d.q * d.k, d.q, d.k, f.window_h,
                    f.window_w, f.pool_stride_h, f.pool_stride_w, f.pooled_q,
                    f.pooled_p, conv.activation == Activation::relu,
                    f.y + n * pooled, f.indices + n * pooled);
}

const Algorithm<ConvMaxPool> kAlgorithms[] = {
#if defined(__x86_64__)
    winograd<ConvMaxPool, ConvWay::winograd2, avx512::kMicroKernels,
             avx512::kWinograd2>("winograd2_avx512", Isa::avx512),
    {"fused_avx512", Isa::avx512, refuse_none,
     run_fused<avx512::kMicroKernels>},
    winograd<ConvMaxPool, ConvWay::winograd2, avx2::kMicroKernels,
             avx2::kWinograd2>("winograd2_avx2", Isa::avx2),
    {"fused_avx2", Isa::avx2, refuse_none, run_fused<avx2::kMicroKernels>},
#elif defined(__aarch64__)
    winograd<ConvMaxPool, ConvWay::winograd2, neon::kMicroKernels,
             neon::kWinograd2>("winograd2_neon", Isa::neon),
    {"fused_neon", Isa::neon, refuse_none, run_fused<neon::kMicroKernels>},
#endif
    {"ref", Isa::ref, refuse_none, run_in_two},
};
const AlgorithmList kList("conv2d_max_pool2d", kAlgorithms);

}  // namespace

void conv2d_max_pool2d(const ConvMaxPool& problem) { kList.run(problem); }

}  // namespace tw::cpu
