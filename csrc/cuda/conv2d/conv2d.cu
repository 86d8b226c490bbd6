// The forward pass as an implicit product; depthwise.cu has the other kernel.
#include "cuda/conv2d/conv2d.h"
#include "cuda/conv2d/depthwise.h"
#include "cuda/conv2d/implicit_gemm.cuh"
#include "cuda/conv2d/sources.cuh"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

template <int kSize, bool kVectorsA, bool kVectorsB>
__global__ __launch_bounds__(kSimtThreads, kSimtBlocks) void conv2d_kernel(
    ConvArguments<ConvGeometry> p) {
  const ConvGeometry& d = p.geometry;
  using A = ConvPixels<kVectorsA>;
  using B = SpanMatrix<kVectorsB>;
  const A left{p.a + blockIdx.z * p.group_a, d, {}, {}, {}, {}};
  const B right{p.b + blockIdx.z * p.group_b, d.k, d.group_k, p.depth, {}, {}};
  conv_tile<kSize, DepthQuads<kSize, A>, SpanQuads<kSize, B>>(p, left, right);
}

ConvProduct product_of(const ConvShape& d) {
  return {d.n * d.p * d.q, d.group_k(), d.r * d.s * d.group_c(), d.groups};
}

template <int kSize>
auto kernel_for(bool a, bool b) {
  if (a)
    return b ? conv2d_kernel<kSize, true, true>
             : conv2d_kernel<kSize, true, false>;
  return b ? conv2d_kernel<kSize, false, true>
           : conv2d_kernel<kSize, false, false>;
}

}  // namespace

int64_t conv2d_workspace(const ConvForward& f) {
  return f.shape.depthwise() ? 0 : product_of(f.shape).workspace();
}

void conv2d(const ConvForward& f, float* workspace, Stream stream) {
  const ConvShape& d = f.shape;
  if (d.n == 0) return;
  if (d.depthwise()) return depthwise_conv2d(f, stream);
  const ConvProduct product = product_of(d);
  const bool b = quads_aligned(f.weight, d.k, d.group_k());
  const bool whole = quads_aligned(f.y, d.k, d.group_k()) &&
                     (!f.bias || quads_aligned(f.bias, 0, 0));
  const MatrixStore result{f.y,    product.rows, product.columns, d.k,
                           f.bias, f.activation, false,           whole};
  const auto p = conv_arguments(product, d, f.x, d.group_c(), f.weight,
                                d.group_k(), result, workspace);
  const bool a = quads_aligned(f.x, d.c, d.group_c());
  if (product.tile_size() == 128)
    launch("conv2d_simt", kernel_for<128>(a, b), conv_grid(product),
           dim3(kSimtThreads), sizeof(SimtShared<128>), stream, p);
  else
    launch("conv2d_simt", kernel_for<64>(a, b), conv_grid(product),
           dim3(kSimtThreads), sizeof(SimtShared<64>), stream, p);
  add_conv_splits(product, result, workspace, stream);
}

}  // namespace tw::cuda
