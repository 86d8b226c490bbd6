// Forward and backward-input, both as tap convolutions (tap_convolution.h):
// an implicit GEMM that stores no im2col matrix. Bound by FMA for more than a
// few channels; the blocks of pixels are cut without regard to the number of
// threads and each output is summed whole by one of them, taps in order, then
// channels, so the bits do not depend on it.
#include "cpu/conv2d.h"

#include <algorithm>

#include "cpu/algorithm.h"
#include "cpu/conv2d_winograd.h"
#include "cpu/depthwise.h"
#include "cpu/parallel.h"
#include "cpu/tap_convolution.h"

namespace tw::cpu {
namespace {

constexpr int64_t kDepthwisePixels = 64;  // a task

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

const char* refuse_none(const ConvForward&) { return nullptr; }
const char* refuse_none(const ConvBackwardInput&) { return nullptr; }

bool is_depthwise(const ConvShape& d) {
  return d.groups > 1 && d.group_c() == 1 && d.group_k() == 1;
}

const char* kNotDepthwise = "not one input and one output channel a group";

template <class Problem>
const char* refuse_not_depthwise(const Problem& problem) {
  return is_depthwise(problem.shape) ? nullptr : kNotDepthwise;
}

template <const MicroKernels& mk>
void run_implicit(const ConvForward& f) {
  const int threads = threads_for_flops(f.shape.flops());
  std::vector<Tap> taps = forward_taps(f);
  TapConvolution conv = forward_convolution(f, taps);
  const WeightPanels weights(forward_weights(f), taps, mk.lanes, threads);
  const PaddedSource padded(conv, taps, weights.depth(), threads);
  TapRunner(conv, weights, mk).run_all(threads);
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
    const WeightPanels weights(backward_input_weights(b), taps, mk.lanes,
                               threads);
    const PaddedSource padded(conv, taps, weights.depth(), threads);
    TapRunner(conv, weights, mk).run_all(threads);
  });
}

// `weight` is (taps, channels).
template <const DepthwiseKernels& kernels>
void run_taps_depthwise(const TapConvolution& conv, const float* weight,
                        int64_t channels, int threads) {
  const int64_t taps = conv.tap_count, pixels = conv.pixels();
  const size_t pointer_bytes = static_cast<size_t>(2 * taps) * sizeof(void*);
  const Scratch scratch(pointer_bytes / sizeof(float), threads);
  parallel_for(
      ceil_div(pixels, kDepthwisePixels), threads,
      [&](int64_t task, int worker) {
        auto** sources = reinterpret_cast<const float**>(scratch.of(worker));
        const float** weights = sources + taps;
        const int64_t begin = task * kDepthwisePixels;
        const int64_t end = std::min(begin + kDepthwisePixels, pixels);
        each_pixel(conv, begin, end, [&](int64_t n, int64_t i, int64_t j) {
          int64_t inside = 0;
          each_tap_at(
              conv, i, j,
              [&](int64_t tap, int64_t offset) {
                sources[inside] = conv.image(n) + offset;
                weights[inside++] = weight + conv.taps[tap].index * channels;
              },
              [](int64_t) {});
          kernels.pixel(inside, sources, weights, channels, conv.bias,
                        conv.activation, conv.out_pixel_at(n, i, j));
        });
      });
}

template <const DepthwiseKernels& kernels>
void run_depthwise(const ConvForward& f) {
  std::vector<Tap> taps = forward_taps(f);
  run_taps_depthwise<kernels>(forward_convolution(f, taps), f.weight, f.shape.c,
                              threads_for_flops(f.shape.flops()));
}

template <const DepthwiseKernels& kernels>
void run_depthwise(const ConvBackwardInput& b) {
  const int threads = threads_for_flops(b.shape.flops());
  each_class(b, [&](const TapConvolution& conv, const std::vector<Tap>&) {
    run_taps_depthwise<kernels>(conv, b.weight, b.shape.c, threads);
  });
}

const Algorithm<ConvForward> kForward[] = {
#if defined(__x86_64__)
    winograd<ConvForward, ConvWay::winograd4, avx512::kMicroKernels,
             avx512::kWinograd4>("winograd4_avx512", Isa::avx512),
    winograd<ConvForward, ConvWay::winograd2, avx512::kMicroKernels,
             avx512::kWinograd2>("winograd2_avx512", Isa::avx512),
    {"depthwise_avx512", Isa::avx512, refuse_not_depthwise,
     run_depthwise<avx512::kDepthwiseKernels>},
    {"implicit_avx512", Isa::avx512, refuse_none,
     run_implicit<avx512::kMicroKernels>},
    winograd<ConvForward, ConvWay::winograd4, avx2::kMicroKernels,
             avx2::kWinograd4>("winograd4_avx2", Isa::avx2),
    winograd<ConvForward, ConvWay::winograd2, avx2::kMicroKernels,
             avx2::kWinograd2>("winograd2_avx2", Isa::avx2),
    {"depthwise_avx2", Isa::avx2, refuse_not_depthwise,
     run_depthwise<avx2::kDepthwiseKernels>},
    {"implicit_avx2", Isa::avx2, refuse_none,
     run_implicit<avx2::kMicroKernels>},
#elif defined(__aarch64__)
    winograd<ConvForward, ConvWay::winograd4, neon::kMicroKernels,
             neon::kWinograd4>("winograd4_neon", Isa::neon),
    winograd<ConvForward, ConvWay::winograd2, neon::kMicroKernels,
             neon::kWinograd2>("winograd2_neon", Isa::neon),
    {"depthwise_neon", Isa::neon, refuse_not_depthwise,
     run_depthwise<neon::kDepthwiseKernels>},
    {"implicit_neon", Isa::neon, refuse_none,
     run_implicit<neon::kMicroKernels>},
#endif
    {"ref", Isa::ref, refuse_none, ref::conv2d},
};
const AlgorithmList kForwardList("conv2d", kForward);

const Algorithm<ConvBackwardInput> kBackwardInput[] = {
#if defined(__x86_64__)
    winograd<ConvBackwardInput, ConvWay::winograd4, avx512::kMicroKernels,
             avx512::kWinograd4>("winograd4_avx512", Isa::avx512),
    winograd<ConvBackwardInput, ConvWay::winograd2, avx512::kMicroKernels,
             avx512::kWinograd2>("winograd2_avx512", Isa::avx512),
    {"depthwise_avx512", Isa::avx512, refuse_not_depthwise,
     run_depthwise<avx512::kDepthwiseKernels>},
    {"implicit_avx512", Isa::avx512, refuse_none,
     run_implicit<avx512::kMicroKernels>},
    winograd<ConvBackwardInput, ConvWay::winograd4, avx2::kMicroKernels,
             avx2::kWinograd4>("winograd4_avx2", Isa::avx2),
    winograd<ConvBackwardInput, ConvWay::winograd2, avx2::kMicroKernels,
             avx2::kWinograd2>("winograd2_avx2", Isa::avx2),
    {"depthwise_avx2", Isa::avx2, refuse_not_depthwise,
     run_depthwise<avx2::kDepthwiseKernels>},
    {"implicit_avx2", Isa::avx2, refuse_none,
     run_implicit<avx2::kMicroKernels>},
#elif defined(__aarch64__)
    winograd<ConvBackwardInput, ConvWay::winograd4, neon::kMicroKernels,
             neon::kWinograd4>("winograd4_neon", Isa::neon),
    winograd<ConvBackwardInput, ConvWay::winograd2, neon::kMicroKernels,
             neon::kWinograd2>("winograd2_neon", Isa::neon),
    {"depthwise_neon", Isa::neon, refuse_not_depthwise,
     run_depthwise<neon::kDepthwiseKernels>},
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
