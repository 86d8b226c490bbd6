// Three kernels: moments of pieces of the rows, a small one that puts the
// pieces together in their order, and one that goes over the rows again. Memory
// bounds the first and the last.
#include <cmath>

#include "cuda/batch_norm/batch_norm.h"
#include "cuda/batch_norm/join.cuh"

namespace tw::cuda {
namespace {

constexpr int kPivotRows = 8;

// The sums of x - pivot and of its square, and the pivot: a number near the
// mean of the piece, so that none of the digits is lost (T. F. Chan, G. H.
// Golub and R. J. LeVeque, "Algorithms for computing the sample variance",
// 1983).
template <int kLanes, int kColumns>
__global__ __launch_bounds__(kNormThreads) void moments_kernel(
    NormGrid grid, const float* __restrict__ x, double* __restrict__ parts) {
  constexpr int64_t kStep = NormThread<kLanes, kColumns>::kRowLanes;
  const NormThread<kLanes, kColumns> mine(grid);
  double first[kLanes] = {}, second[kLanes] = {};
  auto pivot = Lanes<kLanes>::all(0);
  if (mine.works(grid)) {
    const float* from = x + mine.channel;
    for (int i = 0; i < kPivotRows; i++) {
      const int64_t row = mine.begin + i * (mine.end - mine.begin) / kPivotRows;
      const auto value = Lanes<kLanes>::load(from + row * grid.C);
#pragma unroll
      for (int j = 0; j < kLanes; j++) pivot.of[j] += value.of[j] / kPivotRows;
    }
#pragma unroll
    for (int j = 0; j < kLanes; j++)
      if (!(pivot.of[j] - pivot.of[j] == 0)) pivot.of[j] = 0;  // not finite
    over_rows(
        mine,
        [&](int64_t row) {
          Lanes<kLanes> value[kUnroll];
#pragma unroll
          for (int r = 0; r < kUnroll; r++)
            value[r] = Lanes<kLanes>::load(from + (row + r * kStep) * grid.C);
#pragma unroll
          for (int j = 0; j < kLanes; j++) {
            float sum = 0, squares = 0;
#pragma unroll
            for (int r = 0; r < kUnroll; r++) {
              const float d = value[r].of[j] - pivot.of[j];
              sum += d;
              squares = fmaf(d, d, squares);
            }
            first[j] += sum;
            second[j] += squares;
          }
        },
        [&](int64_t row) {
          const auto value = Lanes<kLanes>::load(from + row * grid.C);
#pragma unroll
          for (int j = 0; j < kLanes; j++) {
            const float d = value.of[j] - pivot.of[j];
            first[j] += d;
            second[j] += d * d;
          }
        });
  }
  if (!add_up(mine, first, second) || !mine.works(grid)) return;
#pragma unroll
  for (int j = 0; j < kLanes; j++) {
    double* to = parts + 3 * blockIdx.y * grid.C + mine.channel + j;
    to[0] = first[j];
    to[grid.C] = second[j];
    to[2 * grid.C] = pivot.of[j];
  }
}

// Rows, their sum and that of the squares about their mean.
struct Moments {
  double n, total, squares;

  __device__ __forceinline__ void join(const Moments& other) {
    if (other.n == 0) return;
    if (n == 0) {
      *this = other;
      return;
    }
    const double apart = other.n / n * total - other.total;
    squares += other.squares + n / (other.n * (n + other.n)) * apart * apart;
    total += other.total;
    n += other.n;
  }
};

__device__ __forceinline__ void move(float* running, double momentum,
                                     double to) {
  *running = static_cast<float>(*running + momentum * (to - *running));
}

__global__ __launch_bounds__(kNormThreads) void join_moments_kernel(
    NormGrid grid, BatchNormForward p, const double* __restrict__ parts) {
  const int64_t c = joined_channel();
  Moments all{};
  const bool first = join_pieces(grid, all, c, [&](int64_t piece) {
    const double* from = parts + 3 * piece * p.C + c;
    const int64_t left = p.rows - piece * grid.piece;
    const auto m = static_cast<double>(left < grid.piece ? left : grid.piece);
    const double sum = from[0], own = from[p.C] - sum * sum / m;
    return Moments{m, m * from[2 * p.C] + sum, own < 0 ? 0 : own};
  });
  if (!first) return;
  double mean = all.total / all.n, variance = all.squares / all.n;
  if (p.running_mean) {
    move(p.running_mean + c, p.momentum, mean);
    move(p.running_var + c, p.momentum,
         p.unbiased ? all.squares / (all.n - 1) : variance);
  }
  const auto rounded = static_cast<float>(mean);
  p.saved[c] = rounded;
  p.saved[p.C + c] = static_cast<float>(mean - rounded);
  p.saved[2 * p.C + c] = static_cast<float>(1 / sqrt(variance + p.eps));
}

__global__ __launch_bounds__(kNormThreads) void running_kernel(
    BatchNormForward p) {
  const int64_t c = int64_t{blockIdx.x} * kNormThreads + threadIdx.x;
  if (c >= p.C) return;
  p.saved[c] = p.running_mean[c];
  p.saved[p.C + c] = 0;
  p.saved[2 * p.C + c] =
      static_cast<float>(1 / sqrt(double{p.running_var[c]} + p.eps));
}

template <int kLanes, int kColumns>
__global__ __launch_bounds__(kNormThreads) void normalize_kernel(
    NormGrid grid, BatchNormForward p) {
  const NormThread<kLanes, kColumns> mine(grid);
  if (!mine.works(grid)) return;
  const NormAffine<kLanes> affine(p.saved, p.weight, p.bias, mine.channel,
                                  grid.C);
  for (int64_t row = mine.begin + mine.row_lane; row < mine.end;
       row += mine.kRowLanes) {
    const int64_t at = row * grid.C + mine.channel;
    auto value = Lanes<kLanes>::load(p.x + at);
#pragma unroll
    for (int j = 0; j < kLanes; j++) {
      const float y = affine.of(value.of[j], j);
      value.of[j] = p.relu && y <= 0 ? 0 : y;
    }
    value.store(p.y + at);
  }
}

}  // namespace

int64_t batch_norm_workspace(const BatchNormForward& p) {
  return p.training ? 2 * 3 * sum_pieces(p.rows) * p.C : 0;  // doubles
}

void batch_norm(const BatchNormForward& p, float* workspace, Stream stream) {
  if (p.C == 0) return;
  const bool quads =
      p.C % 4 == 0 && aligned(p.x) && aligned(p.y) && aligned(p.saved);
  by_channels(p.C, quads, [&](auto lanes, auto columns) {
    constexpr int kLanes = decltype(lanes)::of,
                  kColumns = decltype(columns)::of;
    if (p.training) {
      auto* parts = reinterpret_cast<double*>(workspace);
      const NormGrid grid = across(sum_grid(p.rows, p.C), lanes, columns);
      launch("batch_norm_moments", moments_kernel<kLanes, kColumns>,
             grid.blocks(), dim3(kNormThreads),
             sizeof(NormShared<kLanes, kColumns>), stream, grid, p.x, parts);
      launch("batch_norm_join", join_moments_kernel, joining_blocks(p.C),
             dim3(kNormThreads), sizeof(JoinShared<Moments>), stream, grid, p,
             parts);
    } else {
      launch("batch_norm_running", running_kernel,
             dim3(static_cast<unsigned>(ceil_div(p.C, kNormThreads))),
             dim3(kNormThreads), 0, stream, p);
    }
    if (p.rows == 0) return;
    const NormGrid grid = across(map_grid(p.rows, p.C), lanes, columns);
    launch("batch_norm", normalize_kernel<kLanes, kColumns>, grid.blocks(),
           dim3(kNormThreads), 0, stream, grid, p);
  });
}

}  // namespace tw::cuda
