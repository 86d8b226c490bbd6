// The gradient of the weight as an implicit product over output pixels: few
// tiles and a great depth, so that it is nearly always cut into parts.
#include "cuda/conv2d/conv2d.h"
#include "cuda/conv2d/depthwise.h"
#include "cuda/conv2d/implicit_gemm.cuh"
#include "cuda/conv2d/sources.cuh"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

template <int kSize, bool kVectorsA, bool kVectorsB>
__global__
__launch_bounds__(kSimtThreads, kSimtBlocks) void conv2d_backward_weight_kernel(
    ConvArguments<ConvGeometry> p) {
  const ConvGeometry& d = p.geometry;
  using A = ConvTaps<kVectorsA>;
  using B = SpanMatrix<kVectorsB>;
  const A left{p.a + blockIdx.z * p.group_a, d, {}, {}, {}};
  const B right{p.b + blockIdx.z * p.group_b, d.k, d.group_k, p.depth, {}, {}};
  conv_tile<kSize, SpanQuads<kSize, A>, SpanQuads<kSize, B>>(p, left, right);
}

ConvProduct product_of(const ConvShape& d) {
  return {d.r * d.s * d.group_c(), d.group_k(), d.n * d.p * d.q, d.groups};
}

template <int kSize>
auto kernel_for(bool a, bool b) {
  if (a)
    return b ? conv2d_backward_weight_kernel<kSize, true, true>
             : conv2d_backward_weight_kernel<kSize, true, false>;
  return b ? conv2d_backward_weight_kernel<kSize, false, true>
           : conv2d_backward_weight_kernel<kSize, false, false>;
}

}  // namespace

int64_t conv2d_backward_weight_workspace(const ConvBackwardWeight& b) {
  return b.shape.depthwise() ? depthwise_workspace(b.shape)
                             : product_of(b.shape).workspace();
}

void conv2d_backward_weight(const ConvBackwardWeight& b, float* workspace,
                            Stream stream) {
  const ConvShape& d = b.shape;
  if (d.depthwise()) return depthwise_backward_weight(b, workspace, stream);
  const ConvProduct product = product_of(d);
  const MatrixStore result{
      b.dweight,       product.rows,
      product.columns, d.k,
      nullptr,         Activation::none,
      false,           quads_aligned(b.dweight, d.k, d.group_k())};
  const auto p = conv_arguments(product, d, b.x, d.group_c(), b.dy, d.group_k(),
                                result, workspace);
  const bool vectors_a = quads_aligned(b.x, d.c, d.group_c());
  const bool vectors_b = quads_aligned(b.dy, d.k, d.group_k());
  if (product.tile_size() == 128)
    launch("conv2d_backward_weight_simt", kernel_for<128>(vectors_a, vectors_b),
           conv_grid(product), dim3(kSimtThreads), sizeof(SimtShared<128>),
           stream, p);
  else
    launch("conv2d_backward_weight_simt", kernel_for<64>(vectors_a, vectors_b),
           conv_grid(product), dim3(kSimtThreads), sizeof(SimtShared<64>),
           stream, p);
  add_conv_splits(product, result, workspace, stream);
}

}  // namespace tw::cuda
