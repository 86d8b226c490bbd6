// The gradient of the input as an implicit product over taps and output
// channels. With a stride most taps meet no output and multiply zeros.
#include "cuda/conv2d/conv2d.h"
#include "cuda/conv2d/depthwise.h"
#include "cuda/conv2d/implicit_gemm.cuh"
#include "cuda/conv2d/sources.cuh"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

template <int kSize, bool kVectors>
__global__
__launch_bounds__(kSimtThreads, kSimtBlocks) void conv2d_backward_input_kernel(
    ConvArguments<ConvGeometry> p) {
  using A = ConvGradients<kVectors>;
  using B = ConvWeights<kVectors>;
  const A left{p.a + blockIdx.z * p.group_a, p.geometry, {}, {}, {}, {}};
  const B right{p.b + blockIdx.z * p.group_b, p.geometry, {}, {}};
  conv_tile<kSize, DepthQuads<kSize, A>, DepthQuads<kSize, B>>(p, left, right);
}

ConvProduct product_of(const ConvShape& d) {
  return {d.n * d.h * d.w, d.group_c(), d.r * d.s * d.group_k(), d.groups};
}

}  // namespace

int64_t conv2d_backward_input_workspace(const ConvBackwardInput& b) {
  return b.shape.depthwise() ? 0 : product_of(b.shape).workspace();
}

void conv2d_backward_input(const ConvBackwardInput& b, float* workspace,
                           Stream stream) {
  const ConvShape& d = b.shape;
  if (d.n == 0) return;
  if (d.depthwise()) return depthwise_backward_input(b, stream);
  const ConvProduct product = product_of(d);
  const MatrixStore result{b.dx,
                           product.rows,
                           product.columns,
                           d.c,
                           nullptr,
                           Activation::none,
                           false,
                           quads_aligned(b.dx, d.c, d.group_c())};
  const auto p = conv_arguments(product, d, b.dy, d.group_k(), b.weight,
                                d.group_k(), result, workspace);
  const bool vectors = quads_aligned(b.dy, d.k, d.group_k()) &&
                       quads_aligned(b.weight, d.k, d.group_k());
  if (product.tile_size() == 128)
    launch("conv2d_backward_input_simt",
           vectors ? conv2d_backward_input_kernel<128, true>
                   : conv2d_backward_input_kernel<128, false>,
           conv_grid(product), dim3(kSimtThreads), sizeof(SimtShared<128>),
           stream, p);
  else
    launch("conv2d_backward_input_simt",
           vectors ? conv2d_backward_input_kernel<64, true>
                   : conv2d_backward_input_kernel<64, false>,
           conv_grid(product), dim3(kSimtThreads), sizeof(SimtShared<64>),
           stream, p);
  add_conv_splits(product, result, workspace, stream);
}

}  // namespace tw::cuda
