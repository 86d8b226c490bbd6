#include <cmath>
#include <stdexcept>

#include "common/integers.h"
#include "common/philox.h"
#include "cuda/device/activation.hpp"
#include "cuda/device/memory.hpp"
#include "cuda/elementwise/elementwise.h"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

constexpr int kThreads = 256;

// Four elements a thread, loaded and stored at once where `quads`; the last may
// be fewer.
struct Quads {
  int64_t count;
  bool aligned;

  __device__ __forceinline__ int64_t first() const {
    return (int64_t{blockIdx.x} * kThreads + threadIdx.x) * 4;
  }
  __device__ __forceinline__ int live(int64_t i) const {
    const int64_t left = count - i;
    return left >= 4 ? 4 : left > 0 ? static_cast<int>(left) : 0;
  }
  __device__ __forceinline__ void load(const float* from, int64_t i,
                                       float (&value)[4]) const {
    const int n = live(i);
    if (aligned && n == 4) {
      const float4 quad = load4(from + i);
      value[0] = quad.x, value[1] = quad.y;
      value[2] = quad.z, value[3] = quad.w;
      return;
    }
#pragma unroll
    for (int j = 0; j < 4; j++) value[j] = j < n ? from[i + j] : 0;
  }
  __device__ __forceinline__ void store(float* to, int64_t i,
                                        const float (&value)[4]) const {
    const int n = live(i);
    if (aligned && n == 4)
      return store4(to + i,
                    make_float4(value[0], value[1], value[2], value[3]));
#pragma unroll
    for (int j = 0; j < 4; j++)
      if (j < n) to[i + j] = value[j];
  }
};

// x and y may be one array, dy and dx as well: hence no __restrict__.
__global__ __launch_bounds__(kThreads) void activation_kernel(
    Quads quads, Activation kind, float negative_slope, const float* x,
    float* y) {
  const int64_t i = quads.first();
  float value[4];
  quads.load(x, i, value);
#pragma unroll
  for (int j = 0; j < 4; j++)
    value[j] = activate(kind, value[j], negative_slope);
  quads.store(y, i, value);
}

__global__ __launch_bounds__(kThreads) void activation_backward_kernel(
    Quads quads, Activation kind, float negative_slope, const float* dy,
    const float* __restrict__ saved, float* dx) {
  const int64_t i = quads.first();
  float value[4], kept[4];
  quads.load(dy, i, value);
  quads.load(saved, i, kept);
#pragma unroll
  for (int j = 0; j < 4; j++)
    value[j] = activation_gradient(kind, value[j], kept[j], negative_slope);
  quads.store(dx, i, value);
}

__global__ __launch_bounds__(kThreads) void dropout_kernel(
    Quads quads, uint64_t seed, uint64_t offset, int threshold, float scale,
    const float* __restrict__ x, float* __restrict__ y) {
  const int64_t i = quads.first();
  float value[4];
  quads.load(x, i, value);
  const PhiloxWords random =
      philox(seed, offset + static_cast<uint64_t>(i) / 4);
#pragma unroll
  for (int j = 0; j < 4; j++) {
    const auto u = static_cast<int>(random.word[j] >> 8);
    value[j] = u >= threshold ? value[j] * scale : 0;
  }
  quads.store(y, i, value);
}

constexpr int kColumns = 32;  // of a block of the bias gradient
constexpr int kRowLanes = kThreads / kColumns;
constexpr int64_t kPiece = 512;  // rows of a block

struct BiasShared {
  float sums[kRowLanes][kColumns];
};

// A piece of the rows of 32 columns.
__global__ __launch_bounds__(kThreads) void column_sums_kernel(
    const float* __restrict__ dy, int64_t rows, int64_t k,
    float* __restrict__ parts) {
  auto& shared = shared_memory<BiasShared>();
  const int lane = threadIdx.x % kColumns, part = threadIdx.x / kColumns;
  const int64_t column = int64_t{blockIdx.x} * kColumns + lane;
  const int64_t begin = blockIdx.y * kPiece;
  const int64_t end = rows - begin < kPiece ? rows : begin + kPiece;
  float sum = 0;
  if (column < k)
    for (int64_t row = begin + part; row < end; row += kRowLanes)
      sum += dy[row * k + column];
  shared.sums[part][lane] = sum;
  __syncthreads();
  if (part != 0 || column >= k) return;
  for (int i = 1; i < kRowLanes; i++) sum += shared.sums[i][lane];
  parts[blockIdx.y * k + column] = sum;
}

// Adds the pieces in their order.
__global__ __launch_bounds__(kThreads) void add_pieces_kernel(
    const float* __restrict__ parts, int64_t pieces, int64_t k,
    float* __restrict__ dbias) {
  const int64_t column = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (column >= k) return;
  double sum = 0;
  for (int64_t piece = 0; piece < pieces; piece++)
    sum += parts[piece * k + column];
  dbias[column] = static_cast<float>(sum);
}

bool aligned(const void* a, const void* b, const void* c = nullptr) {
  return (reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b) |
          reinterpret_cast<uintptr_t>(c)) %
             16 ==
         0;
}

dim3 blocks(int64_t count, int64_t of_a_block) {
  return dim3(static_cast<unsigned>(ceil_div(count, of_a_block)));
}

int64_t pieces_of(const BiasGradient& b) {
  const int64_t pieces = ceil_div(b.rows, kPiece);
  return pieces < 1 ? 1 : pieces;
}

}  // namespace

void activation(const ActivationForward& p, Stream stream) {
  if (p.count == 0) return;
  launch("activation", activation_kernel, blocks(p.count, 4 * kThreads),
         dim3(kThreads), 0, stream, Quads{p.count, aligned(p.x, p.y)}, p.kind,
         p.negative_slope, p.x, p.y);
}

void activation_backward(const ActivationBackward& p, Stream stream) {
  if (p.count == 0) return;
  launch("activation_backward", activation_backward_kernel,
         blocks(p.count, 4 * kThreads), dim3(kThreads), 0, stream,
         Quads{p.count, aligned(p.dy, p.saved, p.dx)}, p.kind, p.negative_slope,
         p.dy, p.saved, p.dx);
}

void dropout(const Dropout& p, Stream stream) {
  if (p.count == 0) return;
  // u is a multiple of 2^-24, so u >= p is a comparison of integers.
  const auto threshold = static_cast<int>(std::ceil(p.p * 16777216.0));
  const float scale = p.p < 1 ? static_cast<float>(1 / (1 - p.p)) : 0;
  launch("dropout", dropout_kernel, blocks(p.count, 4 * kThreads),
         dim3(kThreads), 0, stream, Quads{p.count, aligned(p.x, p.y)}, p.seed,
         p.offset, threshold, scale, p.x, p.y);
}

int64_t bias_gradient_workspace(const BiasGradient& b) {
  return pieces_of(b) * b.k;
}

void bias_gradient(const BiasGradient& b, float* workspace, Stream stream) {
  if (b.k == 0) return;
  const int64_t pieces = pieces_of(b);
  if (pieces > 65535)
    throw std::invalid_argument("bias_gradient: at most 33,553,920 rows, got " +
                                std::to_string(b.rows));
  launch("column_sums", column_sums_kernel,
         dim3(static_cast<unsigned>(ceil_div(b.k, kColumns)),
              static_cast<unsigned>(pieces)),
         dim3(kThreads), sizeof(BiasShared), stream, b.dy, b.rows, b.k,
         workspace);
  launch("add_pieces", add_pieces_kernel, blocks(b.k, kThreads), dim3(kThreads),
         0, stream, workspace, pieces, b.k, b.dbias);
}

}  // namespace tw::cuda
