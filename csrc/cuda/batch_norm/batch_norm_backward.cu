// Three kernels: sums over pieces of the rows, a small one that puts the pieces
// together in their order, and one that goes over the rows again. Memory bounds
// the first and the last.
#include "cuda/batch_norm/batch_norm.h"
#include "cuda/batch_norm/join.cuh"

namespace tw::cuda {
namespace {

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
  coefficients[2 * p.C + c] = static_cast<float>(-a * all.dy * each - b * left);
}

template <int kLanes, int kColumns>
__global__ __launch_bounds__(kNormThreads) void input_gradient_kernel(
    NormGrid grid, BatchNormBackward p,
    const float* __restrict__ coefficients) {
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

}  // namespace

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
    constexpr int kLanes = decltype(lanes)::of,
                  kColumns = decltype(columns)::of;
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
           grid.blocks(), dim3(kNormThreads), 0, stream, grid, p, coefficients);
  });
}

}  // namespace tw::cuda
