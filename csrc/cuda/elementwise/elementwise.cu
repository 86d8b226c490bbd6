#include <cmath>
#include <stdexcept>

#include "common/philox.h"
#include "cuda/device/activation.hpp"
#include "cuda/elementwise/elementwise.h"
#include "cuda/elementwise/quads.cuh"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

// x and y may be one array, dy and dx as well: hence no __restrict__.
__global__ __launch_bounds__(kElementThreads) void activation_kernel(
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

__global__ __launch_bounds__(kElementThreads) void activation_backward_kernel(
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

__device__ __forceinline__ void drop(Quads quads, uint64_t seed,
                                     uint64_t offset, int threshold,
                                     float scale, const float* x, float* y) {
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

__global__ __launch_bounds__(kElementThreads) void dropout_kernel(
    Quads quads, uint64_t seed, uint64_t offset, int threshold, float scale,
    const float* __restrict__ x, float* __restrict__ y) {
  drop(quads, seed, offset, threshold, scale, x, y);
}

__global__ __launch_bounds__(kElementThreads) void dropout_from_kernel(
    Quads quads, const uint64_t* __restrict__ key, int threshold, float scale,
    const float* __restrict__ x, float* __restrict__ y) {
  drop(quads, key[0], key[1], threshold, scale, x, y);
}

constexpr int64_t kPiece = 512;  // rows of a block

template <int kColumns>
struct SumShared {
  double sums[kElementThreads / kColumns][kColumns];
};

// Of a grid (before, rows, after): a piece of the rows of some columns. The
// block's number is that of its group of columns, then of its grid.
template <int kColumns>
__global__ __launch_bounds__(kElementThreads) void column_sums_kernel(
    const float* __restrict__ x, int64_t rows, int64_t after, int groups,
    double* __restrict__ parts) {
  constexpr int kRowLanes = kElementThreads / kColumns;
  auto& shared = shared_memory<SumShared<kColumns>>();
  const int lane = threadIdx.x % kColumns, part = threadIdx.x / kColumns;
  const int64_t grid = blockIdx.x / groups, grids = gridDim.x / groups;
  const int64_t column = int64_t{blockIdx.x % groups} * kColumns + lane;
  const int64_t begin = blockIdx.y * kPiece;
  const int64_t end = rows - begin < kPiece ? rows : begin + kPiece;
  const float* from = x + grid * rows * after + column;
  double sum = 0;  // its rate is enough for what memory delivers
  if (column < after)
    for (int64_t row = begin + part; row < end; row += kRowLanes)
      sum += from[row * after];
  shared.sums[part][lane] = sum;
  __syncthreads();
  if (part != 0 || column >= after) return;
  for (int i = 1; i < kRowLanes; i++) sum += shared.sums[i][lane];
  parts[(blockIdx.y * grids + grid) * after + column] = sum;
}

// Adds the pieces in their order.
__global__ __launch_bounds__(kElementThreads) void add_pieces_kernel(
    const double* __restrict__ parts, int64_t pieces, int64_t k,
    float* __restrict__ dbias) {
  const int64_t column = int64_t{blockIdx.x} * kElementThreads + threadIdx.x;
  if (column >= k) return;
  double sum = 0;
  for (int64_t piece = 0; piece < pieces; piece++)
    sum += parts[piece * k + column];
  dbias[column] = static_cast<float>(sum);
}

int64_t pieces_of(const AxisSum& s) {
  const int64_t pieces = ceil_div(s.rows, kPiece);
  return pieces < 1 ? 1 : pieces;
}

template <int kColumns>
void run_column_sums(const AxisSum& s, double* parts, Stream stream) {
  const int64_t groups = ceil_div(s.after, kColumns);
  if (groups * s.before > INT32_MAX)
    throw std::invalid_argument("axis_sum: too many columns");
  launch("column_sums", column_sums_kernel<kColumns>,
         dim3(static_cast<unsigned>(groups * s.before),
              static_cast<unsigned>(pieces_of(s))),
         dim3(kElementThreads), sizeof(SumShared<kColumns>), stream, s.x,
         s.rows, s.after, static_cast<int>(groups), parts);
}

}  // namespace

void activation(const ActivationForward& p, Stream stream) {
  if (p.count == 0) return;
  launch("activation", activation_kernel,
         element_blocks(p.count, 4 * kElementThreads), dim3(kElementThreads), 0,
         stream, Quads{p.count, all_aligned(p.x, p.y)}, p.kind,
         p.negative_slope, p.x, p.y);
}

void activation_backward(const ActivationBackward& p, Stream stream) {
  if (p.count == 0) return;
  launch("activation_backward", activation_backward_kernel,
         element_blocks(p.count, 4 * kElementThreads), dim3(kElementThreads), 0,
         stream, Quads{p.count, all_aligned(p.dy, p.saved, p.dx)}, p.kind,
         p.negative_slope, p.dy, p.saved, p.dx);
}

void dropout(const Dropout& p, Stream stream) {
  if (p.count == 0) return;
  // u is a multiple of 2^-24, so u >= p is a comparison of integers.
  const auto threshold = static_cast<int>(std::ceil(p.p * 16777216.0));
  const float scale = p.p < 1 ? static_cast<float>(1 / (1 - p.p)) : 0;
  const dim3 blocks = element_blocks(p.count, 4 * kElementThreads);
  const Quads quads{p.count, all_aligned(p.x, p.y)};
  if (p.key)
    launch("dropout", dropout_from_kernel, blocks, dim3(kElementThreads), 0,
           stream, quads, p.key, threshold, scale, p.x, p.y);
  else
    launch("dropout", dropout_kernel, blocks, dim3(kElementThreads), 0, stream,
           quads, p.seed, p.offset, threshold, scale, p.x, p.y);
}

int64_t axis_sum_workspace(const AxisSum& s) {
  return 2 * pieces_of(s) * s.before * s.after;  // doubles
}

void axis_sum(const AxisSum& s, float* workspace, Stream stream) {
  const int64_t columns = s.before * s.after;
  if (columns == 0) return;
  const int64_t pieces = pieces_of(s);
  if (pieces > 65535)
    throw std::invalid_argument("axis_sum: at most 33,553,920 rows, got " +
                                std::to_string(s.rows));
  auto* parts = reinterpret_cast<double*>(workspace);
  // Lanes side by side in memory where there are columns enough for them.
  if (s.after >= 32)
    run_column_sums<32>(s, parts, stream);
  else if (s.after >= 4)
    run_column_sums<8>(s, parts, stream);
  else
    run_column_sums<1>(s, parts, stream);
  launch("add_pieces", add_pieces_kernel,
         element_blocks(columns, kElementThreads), dim3(kElementThreads), 0,
         stream, parts, pieces, columns, s.sums);
}

}  // namespace tw::cuda
