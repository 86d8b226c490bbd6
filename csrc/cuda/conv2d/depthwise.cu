// Depthwise convolutions: each output needs a handful of multiplications, so
// memory bounds them and a thread an output is enough. The gradient of the
// weight is a sum over pixels: blocks sum pieces of them for 32 channels and
// one tap, and the pieces are added in their order.
#include "common/integers.h"
#include "cuda/conv2d/depthwise.h"
#include "cuda/conv2d/geometry.cuh"
#include "cuda/gemm/split.cuh"

namespace tw::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kLanes = 32;  // channels of a block, in the weight's pass
constexpr int kRows = kThreads / kLanes;
constexpr int64_t kPiece = 1024;  // pixels

__global__ __launch_bounds__(kThreads) void depthwise_kernel(
    const float* __restrict__ x, const float* __restrict__ weight,
    const float* __restrict__ bias, Activation activation, ConvGeometry d,
    int64_t count, float* __restrict__ y) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count) return;
  const auto channel = static_cast<int>(i % d.c);
  int image, p, q;
  d.output(static_cast<int>(i / d.c), image, p, q);
  const float* from = x + int64_t{image} * d.h * d.w * d.c + channel;
  float sum = 0;
  for (int r = 0; r < d.r; r++)
    for (int s = 0; s < d.s; s++) {
      const int row = p * d.stride_h - d.pad_top + r * d.dilation_h;
      const int column = q * d.stride_w - d.pad_left + s * d.dilation_w;
      if (d.inside(row, column))
        sum += from[(int64_t{row} * d.w + column) * d.c] *
               weight[int64_t{r * d.s + s} * d.c + channel];
    }
  if (bias) sum += bias[channel];
  y[i] = activate(activation, sum);
}

__global__ __launch_bounds__(kThreads) void depthwise_backward_input_kernel(
    const float* __restrict__ dy, const float* __restrict__ weight,
    ConvGeometry d, int64_t count, float* __restrict__ dx) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count) return;
  const auto channel = static_cast<int>(i % d.c);
  int image, row, column;
  d.input(static_cast<int>(i / d.c), image, row, column);
  const float* from = dy + int64_t{image} * d.p * d.q * d.c + channel;
  float sum = 0;
  for (int r = 0; r < d.r; r++) {
    const int p = d.output_row(row, r);
    if (p < 0) continue;
    for (int s = 0; s < d.s; s++) {
      const int q = d.output_column(column, s);
      if (q >= 0)
        sum += from[(int64_t{p} * d.q + q) * d.c] *
               weight[int64_t{r * d.s + s} * d.c + channel];
    }
  }
  dx[i] = sum;
}

struct DepthwiseShared {
  float sums[kRows][kLanes];
};

// Block: 32 channels, a tap, a piece of the pixels.
__global__ __launch_bounds__(kThreads) void depthwise_backward_weight_kernel(
    const float* __restrict__ x, const float* __restrict__ dy, ConvGeometry d,
    float* __restrict__ parts) {
  auto& shared = shared_memory<DepthwiseShared>();
  const int lane = threadIdx.x % kLanes, part = threadIdx.x / kLanes;
  const int channel = static_cast<int>(blockIdx.x) * kLanes + lane;
  const int tap = static_cast<int>(blockIdx.y);
  int s;
  const int r = d.by_s.split(tap, s);
  const int64_t begin = blockIdx.z * kPiece;
  const int64_t left = d.outputs() - begin;
  const auto count = static_cast<int>(left < kPiece ? left : kPiece);
  float sum = 0;
  for (int i = part; i < count && channel < d.c; i += kRows) {
    const auto pixel = static_cast<int>(begin + i);
    int image, p, q;
    d.output(pixel, image, p, q);
    const int row = p * d.stride_h - d.pad_top + r * d.dilation_h;
    const int column = q * d.stride_w - d.pad_left + s * d.dilation_w;
    if (d.inside(row, column))
      sum += x[((int64_t{image} * d.h + row) * d.w + column) * d.c + channel] *
             dy[int64_t{pixel} * d.c + channel];
  }
  shared.sums[part][lane] = sum;
  __syncthreads();
  if (part != 0 || channel >= d.c) return;
  for (int i = 1; i < kRows; i++) sum += shared.sums[i][lane];
  parts[(int64_t{blockIdx.z} * d.taps() + tap) * d.c + channel] = sum;
}

unsigned blocks(int64_t count) {
  return static_cast<unsigned>(ceil_div(count, kThreads));
}

int64_t pieces(const ConvShape& d) {
  const int64_t count = ceil_div(d.n * d.p * d.q, kPiece);
  return count < 1 ? 1 : count;
}

}  // namespace

int64_t depthwise_workspace(const ConvShape& d) {
  return pieces(d) * d.r * d.s * d.c;
}

void depthwise_conv2d(const ConvForward& f, Stream stream) {
  const ConvShape& d = f.shape;
  const int64_t count = d.n * d.p * d.q * d.c;
  launch("depthwise", depthwise_kernel, dim3(blocks(count)), dim3(kThreads), 0,
         stream, f.x, f.weight, f.bias, f.activation, ConvGeometry(d), count,
         f.y);
}

void depthwise_backward_input(const ConvBackwardInput& b, Stream stream) {
  const ConvShape& d = b.shape;
  const int64_t count = d.n * d.h * d.w * d.c;
  launch("depthwise_backward_input", depthwise_backward_input_kernel,
         dim3(blocks(count)), dim3(kThreads), 0, stream, b.dy, b.weight,
         ConvGeometry(d), count, b.dx);
}

void depthwise_backward_weight(const ConvBackwardWeight& b, float* workspace,
                               Stream stream) {
  const ConvShape& d = b.shape;
  const int64_t parts = pieces(d);
  if (d.r * d.s > 65535 || parts > 65535)
    throw std::invalid_argument(
        "conv2d: depthwise filters have at most 65,535 taps, and gradients at "
        "most 67,107,840 pixels");
  launch("depthwise_backward_weight", depthwise_backward_weight_kernel,
         dim3(static_cast<unsigned>(ceil_div(d.c, kLanes)),
              static_cast<unsigned>(d.r * d.s), static_cast<unsigned>(parts)),
         dim3(kThreads), sizeof(DepthwiseShared), stream, b.x, b.dy,
         ConvGeometry(d), workspace);
  add_splits(workspace, parts,
             {b.dweight, d.r * d.s, d.c, d.c, nullptr, Activation::none, false,
              quads_aligned(b.dweight, d.c, d.c) &&
                  quads_aligned(workspace, d.c, d.c)},
             stream);
}

}  // namespace tw::cuda
