// The gradient of the input as an implicit product over taps and output
// channels: one product for each phase of the strides.
#include "cuda/conv2d/conv2d.h"
#include "cuda/conv2d/depthwise.h"
#include "cuda/conv2d/implicit_gemm.cuh"
#include "cuda/device/blackwell.hpp"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

using Arguments = ConvArguments<GradientGeometry>;

template <class Loop, Access kAccess>
__device__ __forceinline__ void backward_input_tile(const Arguments& p) {
  const GradientGeometry& d = p.geometry;
  unsigned tile;
  const GradientPhase phase = d.phase_of(blockIdx.x, tile);
  const ConvGradients<kAccess> left{p.a_here(), d, phase, {}, {}, {}};
  const ConvWeights<kAccess> right{p.b_here(), d, phase, {}, {}};
  int row, column;
  p.tiles.place(tile, Loop::kRows, Loop::kColumns, row, column);
  const int depth = phase.rows.taps * phase.columns.taps * d.group_k;
  const MatrixStore store = p.store_here();
  Loop::run(left, row, right, column, p.begin(), p.end(depth),
            [&](int r, int c, float4 quad) {
              const int pixel = d.pixel(r, phase);
              if (pixel >= 0) store(pixel, c, quad);
            });
}

// Two blocks fill a multiprocessor's registers; addresses that are found for
// each quad leave room for one.
template <int kRows, int kColumns, Access kAccess>
constexpr int kBlocks =
    kAccess == Access::slices && !(kBlackwell && kRows * kColumns == 128 * 128)
        ? 2
        : 1;

template <int kRows, int kColumns, Access kAccess>
__global__ __launch_bounds__(
    simt_threads(kRows, kColumns),
    kBlocks<kRows, kColumns,
            kAccess>) void conv2d_backward_input_kernel(Arguments p) {
  using Loop = SimtLoop<kRows, kColumns, DepthQuads, DepthQuads>;
  backward_input_tile<Loop, kAccess>(p);
}

template <Precision kPrecision, int kColumns, Access kAccess>
using TensorCores = TensorLoop<
    kPrecision, kColumns,
    DepthTile<kTensorTile, kInQuads<kAccess>, ConvGradients<kAccess>>,
    DepthTile<kColumns, kInQuads<kAccess>, ConvWeights<kAccess>>>;

template <int kColumns, Access kAccess>
constexpr int kTensorCoreBlocks =
    kBlackwell && kAccess == Access::scalars && kColumns == 128
        ? 1
        : kTensorBlocks<kColumns>;

template <Precision kPrecision, int kColumns, Access kAccess>
__global__ __launch_bounds__(
    kTensorThreads,
    kTensorCoreBlocks<
        kColumns,
        kAccess>) void conv2d_backward_input_tensor_core_kernel(Arguments p) {
  backward_input_tile<TensorCores<kPrecision, kColumns, kAccess>, kAccess>(p);
}

ConvProduct product_of(const ConvBackwardInput& b) {
  const GradientGeometry d(b.shape, 1);
  return {d.rows_of_a_phase(), d.group_c,   d.depth_of_a_phase(),
          b.shape.groups,      b.precision, d.phases()};
}

int64_t pixels(const ConvShape& d) { return d.n * d.h * d.w; }

}  // namespace

int64_t conv2d_backward_input_workspace(const ConvBackwardInput& b) {
  if (b.shape.depthwise()) return 0;
  return product_of(b).workspace(pixels(b.shape));
}

void conv2d_backward_input(const ConvBackwardInput& b, float* workspace,
                           Stream stream) {
  const ConvShape& d = b.shape;
  if (d.n == 0) return;
  if (d.depthwise()) return depthwise_backward_input(b, stream);
  const ConvProduct product = product_of(b);
  const MatrixStore result{b.dx,
                           pixels(d),
                           product.columns,
                           d.c,
                           nullptr,
                           Activation::none,
                           false,
                           quads_aligned(b.dx, d.c, d.group_c())};
  const dim3 grid = conv_grid(product);
  const auto p = conv_arguments(
      product, GradientGeometry(d, product.tiles().count()), b.dy, d.group_k(),
      b.weight, d.group_k(), result, workspace);
  const Access access = access_of(quads_aligned(b.dy, d.k, d.group_k()) &&
                                      quads_aligned(b.weight, d.k, d.group_k()),
                                  d.group_k());
  if (product.on_tensor_cores())
    with_tensor_loop(
        product, access, [&](auto precision, auto columns, auto access) {
          using Loop = TensorCores<precision(), columns(), access()>;
          launch("conv2d_backward_input_tensor_core",
                 conv2d_backward_input_tensor_core_kernel<precision(),
                                                          columns(), access()>,
                 grid, dim3(kTensorThreads), sizeof(typename Loop::Shared),
                 stream, p);
        });
  else
    with_simt_loop(product, access, [&](auto rows, auto columns, auto access) {
      launch("conv2d_backward_input_simt",
             conv2d_backward_input_kernel<rows(), columns(), access()>, grid,
             dim3(simt_threads(rows(), columns())),
             sizeof(SimtShared<rows(), columns()>), stream, p);
    });
  add_conv_splits(product, result, workspace, stream);
}

}  // namespace tw::cuda
