// Three kernels each way: sums over pieces of the rows, a small one that puts
// the pieces together in their order, and one that goes over the rows again.
// Memory bounds the first and the last.
#include "cuda/batch_norm/batch_norm.h"

#include <cmath>

#include "cuda/batch_norm/channels.cuh"

namespace tw::cuda {
namespace {

constexpr int kPivotRows = 8;
constexpr int kUnroll = 4;  // rows whose loads are under way at once
constexpr int kJoinColumns = 32;
constexpr int kJoinLanes = kNormThreads / kJoinColumns;

// Adds what the threads of the same channels have, in their order; true in the
// threads that have the sums.
template <int kLanes, int kColumns>
__device__ __forceinline__ bool add_up(
    const NormThread<kLanes, kColumns>& mine, double (&first)[kLanes],
    double (&second)[kLanes]) {
  auto& shared = shared_memory<NormShared<kLanes, kColumns>>();
#pragma unroll
  for (int i = 0; i < kLanes; i++) {
    shared.first[mine.row_lane][mine.lane][i] = first[i];
    shared.second[mine.row_lane][mine.lane][i] = second[i];
  }
  __syncthreads();
  if (mine.row_lane != 0) return false;
  for (int part = 1; part < mine.kRowLanes; part++) {
#pragma unroll
    for (int i = 0; i < kLanes; i++) {
      first[i] += shared.first[part][mine.lane][i];
      second[i] += shared.second[part][mine.lane][i];
    }
  }
  return true;
}

// body(row, kUnroll rows or one) for the rows of a thread.
template <int kLanes, int kColumns, class Many, class One>
__device__ __forceinline__ void over_rows(
    const NormThread<kLanes, kColumns>& mine, Many many, One one) {
  constexpr int64_t kStep = NormThread<kLanes, kColumns>::kRowLanes;
  int64_t row = mine.begin + mine.row_lane;
  for (; row + (kUnroll - 1) * kStep < mine.end; row += kUnroll * kStep)
    many(row);
  for (; row < mine.end; row += kStep) one(row);
}

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

// The sums of dy and of dy (x - mean), dy being 0 where relu was.
template <int kLanes, int kColumns>
__global__ __launch_bounds__(kNormThreads) void gradient_sums_kernel(
    NormGrid grid, BatchNormBackward p, double* __restrict__ parts) {
  constexpr int64_t kStep = NormThread<kLanes, kColumns>::kRowLanes;
  const NormThread<kLanes, kColumns> mine(grid);
  double first[kLanes] = {}, second[kLanes] = {};
  if (mine.works(grid)) {
    const NormAffine<kLanes> affine(p.saved, p.weight, p.bias, mine.channel,
                                    grid.C);
    const float* x = p.x + mine.channel;
    const float* dy = p.dy + mine.channel;
    const auto passed = [&](float d, float value, int j) {
      return p.relu && affine.of(value, j) <= 0 ? 0 : d;  // NaN passes
    };
    over_rows(
        mine,
        [&](int64_t row) {
          Lanes<kLanes> value[kUnroll], d[kUnroll];
#pragma unroll
          for (int r = 0; r < kUnroll; r++) {
            value[r] = Lanes<kLanes>::load(x + (row + r * kStep) * grid.C);
            d[r] = Lanes<kLanes>::load(dy + (row + r * kStep) * grid.C);
          }
#pragma unroll
          for (int j = 0; j < kLanes; j++) {
            float sum = 0, products = 0;
#pragma unroll
            for (int r = 0; r < kUnroll; r++) {
              const float g = passed(d[r].of[j], value[r].of[j], j);
              sum += g;
              products = fmaf(g, value[r].of[j] - affine.mean.of[j], products);
            }
            first[j] += sum;
            second[j] += products;
          }
        },
        [&](int64_t row) {
          const auto value = Lanes<kLanes>::load(x + row * grid.C);
          const auto d = Lanes<kLanes>::load(dy + row * grid.C);
#pragma unroll
          for (int j = 0; j < kLanes; j++) {
            const float g = passed(d.of[j], value.of[j], j);
            first[j] += g;
            second[j] += g * (value.of[j] - affine.mean.of[j]);
          }
        });
  }
  if (!add_up(mine, first, second) || !mine.works(grid)) return;
#pragma unroll
  for (int j = 0; j < kLanes; j++) {
    double* to = parts + 2 * blockIdx.y * grid.C + mine.channel + j;
    to[0] = first[j];
    to[grid.C] = second[j];
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

template <class Part>
struct JoinShared {
  Part of[kJoinLanes][kJoinColumns];
};

// read(piece) of all pieces of a channel: each of a few threads joins those
// that are kJoinLanes apart, then the first joins what they have. True in that
// one. All threads of the block must call it.
template <class Part, class Read>
__device__ __forceinline__ bool join_pieces(const NormGrid& grid, Part& all,
                                            int64_t channel, Read read) {
  auto& shared = shared_memory<JoinShared<Part>>();
  const int lane = threadIdx.x % kJoinColumns;
  const int part = threadIdx.x / kJoinColumns;
  if (channel < grid.C)
    for (int64_t piece = part; piece * grid.piece < grid.rows;
         piece += kJoinLanes)
      all.join(read(piece));
  shared.of[part][lane] = all;
  __syncthreads();
  if (part != 0 || channel >= grid.C) return false;
  for (int i = 1; i < kJoinLanes; i++) all.join(shared.of[i][lane]);
  return true;
}

__device__ __forceinline__ int64_t joined_channel() {
  return int64_t{blockIdx.x} * kJoinColumns + threadIdx.x % kJoinColumns;
}

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

struct GradientSums {
  double dy, dy_x;

  __device__ __forceinline__ void join(const GradientSums& other) {
    dy += other.dy;
    dy_x += other.dy_x;
  }
};

// The gradients of weight and bias, and what makes of dy and x a row of dx:
//   dx = dy a + (x - mean) b + c.
__global__ __launch_bounds__(kNormThreads) void join_gradients_kernel(
    NormGrid grid, BatchNormBackward p, const double* __restrict__ parts,
    float* __restrict__ coefficients) {
  const int64_t c = joined_channel();
  GradientSums all{};
  const bool first = join_pieces(grid, all, c, [&](int64_t piece) {
    const double* from = parts + 2 * piece * p.C + c;
    return GradientSums{from[0], from[p.C]};
  });
  if (!first) return;
  const double left = p.saved[p.C + c], root = p.saved[2 * p.C + c];
  const double dweight = root * (all.dy_x - left * all.dy);
  p.dweight[c] = static_cast<float>(dweight);
  p.dbias[c] = static_cast<float>(all.dy);
  const double a = (p.weight ? p.weight[c] : 1) * root;
  const double each = p.training && p.rows > 0 ? 1.0 / p.rows : 0;
  const double b = -a * root * dweight * each;
  coefficients[c] = static_cast<float>(a);
  coefficients[p.C + c] = static_cast<float>(b);
  coefficients[2 * p.C + c] =
      static_cast<float>(-a * all.dy * each - b * left);
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

template <int kLanes, int kColumns>
__global__ __launch_bounds__(kNormThreads) void input_gradient_kernel(
    NormGrid grid, BatchNormBackward p, const float* __restrict__ coefficients) {
  const NormThread<kLanes, kColumns> mine(grid);
  if (!mine.works(grid)) return;
  const NormAffine<kLanes> affine(p.saved, p.weight, p.bias, mine.channel,
                                  grid.C);
  const float* of = coefficients + mine.channel;
  Lanes<kLanes> a, b, c;
#pragma unroll
  for (int j = 0; j < kLanes; j++) {
    a.of[j] = of[j];
    b.of[j] = of[grid.C + j];
    c.of[j] = of[2 * grid.C + j];
  }
  for (int64_t row = mine.begin + mine.row_lane; row < mine.end;
       row += mine.kRowLanes) {
    const int64_t at = row * grid.C + mine.channel;
    const auto value = Lanes<kLanes>::load(p.x + at);
    auto d = Lanes<kLanes>::load(p.dy + at);
#pragma unroll
    for (int j = 0; j < kLanes; j++) {
      const float x = value.of[j];
      if (p.relu && affine.of(x, j) <= 0) d.of[j] = 0;  // NaN passes
      d.of[j] *= a.of[j];
      // In evaluation an infinite x is none of the gradient's concern.
      if (p.training) d.of[j] += fmaf(x - affine.mean.of[j], b.of[j], c.of[j]);
    }
    d.store(p.dx + at);
  }
}

// Sums leave at most so many pieces to be joined, of at least so many rows.
constexpr int64_t kMostPieces = 256, kFewestRows = 64;

int64_t at_least(int64_t rows, int64_t least) {
  return rows < least ? least : rows;
}
int64_t sum_piece(int64_t rows) {
  return at_least(ceil_div(rows, kMostPieces), kFewestRows);
}
int64_t sum_pieces(int64_t rows) { return ceil_div(rows, sum_piece(rows)); }

NormGrid sum_grid(int64_t rows, int64_t C) {
  return {rows, C, sum_piece(rows), 0};
}

bool aligned(const void* array) {
  return reinterpret_cast<uintptr_t>(array) % 16 == 0;
}

// run(lanes, columns) with constants that suit so many channels.
template <int value>
struct Constant {
  static constexpr int of = value;
};
template <class Run>
void by_channels(int64_t C, bool quads, Run run) {
  if (quads && C >= 128) return run(Constant<4>(), Constant<32>());
  if (quads) return run(Constant<4>(), Constant<8>());
  if (C >= 32) return run(Constant<1>(), Constant<32>());
  if (C >= 4) return run(Constant<1>(), Constant<8>());
  run(Constant<1>(), Constant<1>());
}

template <class Lanes, class Columns>
NormGrid across(NormGrid grid, Lanes, Columns) {
  grid.groups = static_cast<int>(ceil_div(grid.C, Lanes::of * Columns::of));
  return grid;
}

dim3 joining_blocks(int64_t C) {
  return dim3(static_cast<unsigned>(ceil_div(C, kJoinColumns)));
}

// Over all rows once more.
NormGrid map_grid(int64_t rows, int64_t C) {
  return {rows, C, at_least(ceil_div(rows, kMostBlocksAlong), kFewestRows), 0};
}

}  // namespace

int64_t batch_norm_workspace(const BatchNormForward& p) {
  return p.training ? 2 * 3 * sum_pieces(p.rows) * p.C : 0;  // doubles
}

void batch_norm(const BatchNormForward& p, float* workspace, Stream stream) {
  if (p.C == 0) return;
  const bool quads = p.C % 4 == 0 && aligned(p.x) && aligned(p.y) &&
                     aligned(p.saved);
  by_channels(p.C, quads, [&](auto lanes, auto columns) {
    constexpr int kLanes = decltype(lanes)::of, kColumns = decltype(columns)::of;
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

int64_t batch_norm_backward_workspace(const BatchNormBackward& p) {
  return (2 * 2 * sum_pieces(p.rows) + 3) * p.C;  // doubles, then floats
}

void batch_norm_backward(const BatchNormBackward& p, float* workspace,
                         Stream stream) {
  if (p.C == 0) return;
  auto* parts = reinterpret_cast<double*>(workspace);
  float* coefficients = workspace + 2 * 2 * sum_pieces(p.rows) * p.C;
  const bool quads = p.C % 4 == 0 && aligned(p.dy) && aligned(p.x) &&
                     aligned(p.saved) && aligned(p.dx);
  by_channels(p.C, quads, [&](auto lanes, auto columns) {
    constexpr int kLanes = decltype(lanes)::of, kColumns = decltype(columns)::of;
    const NormGrid sums = across(sum_grid(p.rows, p.C), lanes, columns);
    if (p.rows > 0)
      launch("batch_norm_gradient_sums", gradient_sums_kernel<kLanes, kColumns>,
             sums.blocks(), dim3(kNormThreads),
             sizeof(NormShared<kLanes, kColumns>), stream, sums, p, parts);
    launch("batch_norm_join_gradients", join_gradients_kernel,
           joining_blocks(p.C), dim3(kNormThreads),
           sizeof(JoinShared<GradientSums>), stream, sums, p, parts,
           coefficients);
    if (p.rows == 0) return;
    const NormGrid grid = across(map_grid(p.rows, p.C), lanes, columns);
    launch("batch_norm_backward", input_gradient_kernel<kLanes, kColumns>,
           grid.blocks(), dim3(kNormThreads), 0, stream, grid, p,
           coefficients);
  });
}

}  // namespace tw::cuda
