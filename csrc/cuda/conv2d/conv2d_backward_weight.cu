// The gradient of the weight as an implicit product over output pixels: few
// tiles and a great depth, so that it is nearly always cut into parts.
#include "cuda/conv2d/conv2d.h"
#include "cuda/conv2d/depthwise.h"
#include "cuda/conv2d/few_channels.h"
#include "cuda/conv2d/implicit_gemm.cuh"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

using Arguments = ConvArguments<ConvGeometry>;

template <class Loop, class Taps, bool kVectorsB>
__device__ __forceinline__ void backward_weight_tile(const Arguments& p) {
  const ConvGeometry& d = p.geometry;
  const Taps left{p.a_here(), d, {}, {}, {}};
  const SpanMatrix<kVectorsB> right{p.b_here(), d.k, d.group_k,
                                    p.depth,    {},  {}};
  int row, column;
  p.tiles.place(blockIdx.x, Loop::kRows, Loop::kColumns, row, column);
  Loop::run(left, row, right, column, p.begin(), p.end(p.depth),
            p.store_here());
}

template <int kRows, int kColumns, bool kVectorsA, bool kVectorsB>
__global__ __launch_bounds__(
    simt_threads(kRows, kColumns),
    1) void conv2d_backward_weight_kernel(Arguments p) {
  using Loop = SimtLoop<kRows, kColumns, SpanQuads, SpanQuads>;
  constexpr int kStep = span_step(Loop::kThreads);
  backward_weight_tile<Loop, ConvTaps<kVectorsA, kRows / kStep, kStep>,
                       kVectorsB>(p);
}

template <Precision kPrecision, int kColumns, bool kVectors>
using TensorCores =
    TensorLoop<kPrecision, kColumns,
               SpanTile<kTensorTile, kVectors, ConvTaps<kVectors>>,
               SpanTile<kColumns, kVectors, SpanMatrix<kVectors>>>;

template <Precision kPrecision, int kColumns, bool kVectors>
__global__ __launch_bounds__(
    kTensorThreads,
    kTensorBlocks<
        kColumns>) void conv2d_backward_weight_tensor_core_kernel(Arguments p) {
  using Loop = TensorCores<kPrecision, kColumns, kVectors>;
  backward_weight_tile<Loop, ConvTaps<kVectors>, kVectors>(p);
}

ConvProduct product_of(const ConvBackwardWeight& b) {
  const ConvShape& d = b.shape;
  return {d.r * d.s * d.group_c(), d.group_k(), d.n * d.p * d.q, d.groups,
          b.precision};
}

template <int kRows, int kColumns>
auto kernel_for(bool a, bool b) {
  if (a)
    return b ? conv2d_backward_weight_kernel<kRows, kColumns, true, true>
             : conv2d_backward_weight_kernel<kRows, kColumns, true, false>;
  return b ? conv2d_backward_weight_kernel<kRows, kColumns, false, true>
           : conv2d_backward_weight_kernel<kRows, kColumns, false, false>;
}

}  // namespace

int64_t conv2d_backward_weight_workspace(const ConvBackwardWeight& b) {
  if (b.shape.depthwise()) return depthwise_workspace(b.shape);
  if (few_channels(b.shape, b.precision))
    return few_channels_workspace(b.shape);
  const ConvProduct product = product_of(b);
  return product.workspace(product.rows);
}

void conv2d_backward_weight(const ConvBackwardWeight& b, float* workspace,
                            Stream stream) {
  const ConvShape& d = b.shape;
  if (d.depthwise()) return depthwise_backward_weight(b, workspace, stream);
  if (few_channels(d, b.precision))
    return few_channels_backward_weight(b, workspace, stream);
  const ConvProduct product = product_of(b);
  const MatrixStore result{
      b.dweight,       product.rows,
      product.columns, d.k,
      nullptr,         Activation::none,
      false,           quads_aligned(b.dweight, d.k, d.group_k())};
  const auto p = conv_arguments(product, ConvGeometry(d), b.x, d.group_c(),
                                b.dy, d.group_k(), result, workspace);
  const bool vectors_a = quads_aligned(b.x, d.c, d.group_c());
  const bool vectors_b = quads_aligned(b.dy, d.k, d.group_k());
  const dim3 grid = conv_grid(product);
  if (product.on_tensor_cores())
    with_tensor_loop(
        product, vectors_a && vectors_b ? Access::quads : Access::scalars,
        [&](auto precision, auto columns, auto access) {
          constexpr bool kVectors = kInQuads<access()>;
          using Loop = TensorCores<precision(), columns(), kVectors>;
          launch("conv2d_backward_weight_tensor_core",
                 conv2d_backward_weight_tensor_core_kernel<precision(),
                                                           columns(), kVectors>,
                 grid, dim3(kTensorThreads), sizeof(typename Loop::Shared),
                 stream, p);
        });
  else
    with_simt_tile(product, [&](auto rows, auto columns) {
      launch("conv2d_backward_weight_simt",
             kernel_for<rows(), columns()>(vectors_a, vectors_b), grid,
             dim3(simt_threads(rows(), columns())),
             sizeof(SimtShared<rows(), columns()>), stream, p);
    });
  add_conv_splits(product, result, workspace, stream);
}

}  // namespace tw::cuda
