// The forward pass as an implicit product; depthwise.cu and few_channels.cu
// have the others.
#include "cuda/conv2d/conv2d.h"
#include "cuda/conv2d/depthwise.h"
#include "cuda/conv2d/few_channels.h"
#include "cuda/conv2d/implicit_gemm.cuh"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

using Arguments = ConvArguments<ConvGeometry>;

template <class Loop, Access kAccess, bool kVectorsB>
__device__ __forceinline__ void forward_tile(const Arguments& p) {
  const ConvGeometry& d = p.geometry;
  const ConvPixels<kAccess> left{p.a_here(), d, {}, {}, {}, {}};
  const SpanMatrix<kVectorsB> right{p.b_here(), d.k, d.group_k,
                                    p.depth,    {},  {}};
  int row, column;
  p.tiles.place(blockIdx.x, Loop::kRows, Loop::kColumns, row, column);
  Loop::run(left, row, right, column, p.begin(), p.end(p.depth),
            p.store_here());
}

template <int kRows, int kColumns, Access kAccess, bool kVectorsB>
__global__ __launch_bounds__(simt_threads(kRows, kColumns),
                             1) void conv2d_kernel(Arguments p) {
  using Loop = SimtLoop<kRows, kColumns, DepthQuads, SpanQuads>;
  forward_tile<Loop, kAccess, kVectorsB>(p);
}

template <Precision kPrecision, int kColumns, Access kAccess>
using TensorCores = TensorLoop<
    kPrecision, kColumns,
    DepthTile<kTensorTile, kInQuads<kAccess>, ConvPixels<kAccess>>,
    SpanTile<kColumns, kInQuads<kAccess>, SpanMatrix<kInQuads<kAccess>>>>;

template <Precision kPrecision, int kColumns, Access kAccess>
__global__ __launch_bounds__(
    kTensorThreads,
    kTensorBlocks<kColumns>) void conv2d_tensor_core_kernel(Arguments p) {
  using Loop = TensorCores<kPrecision, kColumns, kAccess>;
  forward_tile<Loop, kAccess, kInQuads<kAccess>>(p);
}

ConvProduct product_of(const ConvForward& f) {
  const ConvShape& d = f.shape;
  return {d.n * d.p * d.q, d.group_k(), d.r * d.s * d.group_c(), d.groups,
          f.precision};
}

}  // namespace

int64_t conv2d_workspace(const ConvForward& f) {
  if (f.shape.depthwise() || few_channels(f.shape, f.precision)) return 0;
  const ConvProduct product = product_of(f);
  return product.workspace(product.rows);
}

void conv2d(const ConvForward& f, float* workspace, Stream stream) {
  const ConvShape& d = f.shape;
  if (d.n == 0) return;
  if (d.depthwise()) return depthwise_conv2d(f, stream);
  if (few_channels(d, f.precision)) return few_channels_conv2d(f, stream);
  const ConvProduct product = product_of(f);
  const bool whole = quads_aligned(f.y, d.k, d.group_k()) &&
                     (!f.bias || quads_aligned(f.bias, 0, 0));
  const MatrixStore result{f.y,    product.rows, product.columns, d.k,
                           f.bias, f.activation, false,           whole};
  const auto p = conv_arguments(product, ConvGeometry(d), f.x, d.group_c(),
                                f.weight, d.group_k(), result, workspace);
  const bool vectors_a = quads_aligned(f.x, d.c, d.group_c());
  const bool vectors_b = quads_aligned(f.weight, d.k, d.group_k());
  if (product.on_tensor_cores())
    with_tensor_loop(
        product, access_of(vectors_a && vectors_b, d.group_c()),
        [&](auto precision, auto columns, auto access) {
          using Loop = TensorCores<precision(), columns(), access()>;
          launch("conv2d_tensor_core",
                 conv2d_tensor_core_kernel<precision(), columns(), access()>,
                 conv_grid(product), dim3(kTensorThreads),
                 sizeof(typename Loop::Shared), stream, p);
        });
  else
    with_simt_loop(
        product, access_of(vectors_a, d.group_c()),
        [&](auto rows, auto columns, auto access) {
          launch("conv2d_simt",
                 vectors_b ? conv2d_kernel<rows(), columns(), access(), true>
                           : conv2d_kernel<rows(), columns(), access(), false>,
                 conv_grid(product), dim3(simt_threads(rows(), columns())),
                 sizeof(SimtShared<rows(), columns()>), stream, p);
        });
  add_conv_splits(product, result, workspace, stream);
}

}  // namespace tw::cuda
