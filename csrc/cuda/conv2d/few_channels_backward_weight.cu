// The gradient of the weight of few channels: see few_channels.cuh. Behind max
// pooling the output's gradients are those of the maxima, found by their codes.
#include "cuda/conv2d/few_channels.cuh"
#include "cuda/elementwise/elementwise.h"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

// Max pooling behind a convolution, by windows that do not overlap.
struct PooledOutputs {
  const uint8_t* codes;  // of the maxima's taps
  int window_h, window_w, p, q;
  Divider by_stride_h, by_stride_w;

  PooledOutputs() = default;
  explicit PooledOutputs(const ConvMaxPoolBackwardWeight& b)
      : codes(b.indices),
        window_h(static_cast<int>(b.window_h)),
        window_w(static_cast<int>(b.window_w)),
        p(static_cast<int>(b.pooled_p)),
        q(static_cast<int>(b.pooled_q)),
        by_stride_h(b.pool_stride_h),
        by_stride_w(b.pool_stride_w) {}

  // The gradient of an output of the convolution, from that of its window's
  // maximum where it is the maximum.
  __device__ __forceinline__ float gradient(const float* dy, int image, int row,
                                            int column, int k,
                                            int channel) const {
    int tap_row, tap_column;
    const int window_row = by_stride_h.split(row, tap_row);
    const int window_column = by_stride_w.split(column, tap_column);
    if (tap_row >= window_h || tap_column >= window_w || window_row >= p ||
        window_column >= q)
      return 0;
    const int64_t at =
        ((int64_t{image} * p + window_row) * q + window_column) * k + channel;
    return codes[at] == tap_row * window_w + tap_column ? dy[at] : 0;
  }
};

struct GradientArguments : FewChannels {
  const float* dy;
  PooledOutputs pool;
};

template <int kLanes>
struct GradientShared {
  union {
    struct {
      float dy[kGradientRows * kTileColumns * kTileChannels<kLanes>];
      float patch[kMostGradientPatch];
    } of;
    float sums[kMostWeights * kTileChannels<kLanes>];
  };
};

// The rectangle's gradients, zeros where the output ends.
template <int kLanes, bool kPooled>
__device__ __forceinline__ void fill_gradients(const GradientArguments& p,
                                               int image, int first_p,
                                               int first_q, int first_k,
                                               float* to) {
  constexpr int kRow = kTileChannels<kLanes>;
  const ConvGeometry& d = p.d;
  for (int i = threadIdx.x; i < kGradientRows * kTileColumns * kRow;
       i += kFewThreads) {
    const int at = i / kRow, channel = first_k + i % kRow;
    const int row = first_p + at / kTileColumns;
    const int column = first_q + at % kTileColumns;
    float value = 0;
    if (row < d.p && column < d.q && channel < d.k) {
      if constexpr (kPooled)
        value = p.pool.gradient(p.dy, image, row, column, d.k, channel);
      else
        value =
            p.dy[((int64_t{image} * d.p + row) * d.q + column) * d.k + channel];
    }
    to[i] = value;
  }
}

// Threads of eight weights each, `groups` of them, by as many parts of the
// pixels as there are threads for.
template <int kLanes, bool kPooled>
__global__ __launch_bounds__(
    kFewThreads) void few_channels_backward_weight_kernel(GradientArguments p) {
  auto& shared = shared_memory<GradientShared<kLanes>>();
  constexpr int kRow = kTileChannels<kLanes>;
  constexpr int kPixels = kGradientRows * kTileColumns;
  const ConvGeometry& d = p.d;
  const int first_k = static_cast<int>(blockIdx.y) * kRow;
  const int lane = threadIdx.x % kLanes, number = threadIdx.x / kLanes;
  const int groups = (p.weights + kEight - 1) / kEight;
  const int parts = kFewThreads / kLanes / groups;
  const int group = number % groups, part = number / groups;
  const int pitch = p.patches.patch_columns * d.c;
  int offset[kEight];
#pragma unroll
  for (int i = 0; i < kEight; i++) {
    const int weight = group * kEight + i;
    int c, s;
    const int tap = d.by_group_c.split(weight < p.weights ? weight : 0, c);
    const int r = d.by_s.split(tap, s);
    offset[i] = r * d.dilation_h * pitch + s * d.dilation_w * d.c + c;
  }
  float sum[kEight][8] = {};
#pragma unroll 1
  for (int rectangle = static_cast<int>(blockIdx.x); rectangle < p.rectangles;
       rectangle += static_cast<int>(gridDim.x)) {
    int image, first_p, first_q;
    p.patches.place(rectangle, image, first_p, first_q);
    __syncthreads();  // the rectangle before is done with
    fill_gradients<kLanes, kPooled>(p, image, first_p, first_q, first_k,
                                    shared.of.dy);
    p.patches.fill(d, p.x, image, first_p, first_q, shared.of.patch);
    __syncthreads();
    for (int at = part; at < kPixels && part < parts; at += parts) {
      const float* from = shared.of.patch +
                          at / kTileColumns * d.stride_h * pitch +
                          at % kTileColumns * d.stride_w * d.c;
      float left[kEight];
#pragma unroll
      for (int i = 0; i < kEight; i++) left[i] = from[offset[i]];
      const float* dy = shared.of.dy + at * kRow + 4 * lane;
      multiply(left, load4(dy), load4(dy + kRow / 2), sum);
    }
  }
  // The parts of the pixels, in their order.
  for (int turn = 0; turn < parts; turn++) {
    __syncthreads();
    if (part != turn) continue;
#pragma unroll
    for (int i = 0; i < kEight; i++) {
      const int weight = group * kEight + i;
      if (weight >= p.weights) break;
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float* to = &shared.sums[weight * kRow + half * kRow / 2 + 4 * lane];
        const float* four = &sum[i][4 * half];
        const float4 quad = make_float4(four[0], four[1], four[2], four[3]);
        store4(to, turn ? MatrixStore::sum(load4(to), quad) : quad);
      }
    }
  }
  __syncthreads();
  MatrixStore store = p.store;
  store.data += blockIdx.x * store.rows * store.pitch;
  for (int i = threadIdx.x; i < p.weights * kRow / 4; i += kFewThreads)
    store(i / (kRow / 4), first_k + i % (kRow / 4) * 4,
          load4(&shared.sums[i * 4]));
}

int64_t parts_of(const ConvShape& d) {
  const int64_t count = Patches(d, kGradientRows).count(d.n);
  return count < 1 ? 1 : count < kMostParts ? count : kMostParts;
}

// `pool` where dy is of maxima, else null.
template <int kLanes>
void run_backward_weight(const ConvBackwardWeight& b, const PooledOutputs* pool,
                         const MatrixStore& store, Stream stream) {
  const ConvShape& d = b.shape;
  GradientArguments p{arguments_of(d, kGradientRows, b.x, store), b.dy, {}};
  if (pool) p.pool = *pool;
  launch("few_channels_backward_weight",
         pool ? few_channels_backward_weight_kernel<kLanes, true>
              : few_channels_backward_weight_kernel<kLanes, false>,
         grid_of<kLanes>(d, parts_of(d)), dim3(kFewThreads),
         sizeof(GradientShared<kLanes>), stream, p);
}

void backward_weight(const ConvBackwardWeight& b, const PooledOutputs* pool,
                     float* workspace, Stream stream) {
  const ConvShape& d = b.shape;
  MatrixStore store{
      workspace, weights_of(d),    d.k,   d.k,
      nullptr,   Activation::none, false, quads_aligned(workspace, d.k, d.k)};
  if (d.k <= kTileChannels<4>)
    run_backward_weight<4>(b, pool, store, stream);
  else
    run_backward_weight<8>(b, pool, store, stream);
  store.data = b.dweight;
  store.vectors = store.vectors && quads_aligned(b.dweight, d.k, d.k);
  add_splits(workspace, parts_of(d), store, stream);
}

__global__ __launch_bounds__(kFewThreads) void passed_gradients_kernel(
    const float* __restrict__ dy, const uint8_t* __restrict__ codes, int taps,
    int64_t count, float* __restrict__ passed) {
  const int64_t i = int64_t{blockIdx.x} * kFewThreads + threadIdx.x;
  if (i < count) passed[i] = codes[i] < taps ? dy[i] : 0;
}

// The sum over the windows of what they pass on.
AxisSum bias_sum(const ConvMaxPoolBackwardWeight& b, const float* passed) {
  return {passed, 1, b.shape.n * b.pooled_p * b.pooled_q, b.shape.k, b.dbias};
}

}  // namespace

int64_t few_channels_workspace(const ConvShape& d) {
  return parts_of(d) * weights_of(d) * d.k;
}

void few_channels_backward_weight(const ConvBackwardWeight& b, float* workspace,
                                  Stream stream) {
  backward_weight(b, nullptr, workspace, stream);
}

bool conv2d_max_pool2d_backward_weight_fits(
    const ConvMaxPoolBackwardWeight& b) {
  return few_channels(b.shape, b.precision) && b.pool_stride_h >= b.window_h &&
         b.pool_stride_w >= b.window_w && b.window_h * b.window_w <= 255;
}

// The parts of dweight; then what windows pass, and what its sum needs.
int64_t conv2d_max_pool2d_backward_weight_workspace(
    const ConvMaxPoolBackwardWeight& b) {
  const AxisSum sum = bias_sum(b, nullptr);
  return round_up(few_channels_workspace(b.shape), 4) +
         round_up(sum.rows * sum.after, 4) + axis_sum_workspace(sum);
}

void conv2d_max_pool2d_backward_weight(const ConvMaxPoolBackwardWeight& b,
                                       float* workspace, Stream stream) {
  const PooledOutputs pool(b);
  backward_weight({b.shape, b.x, b.dy, b.dweight, b.precision}, &pool,
                  workspace, stream);
  float* passed = workspace + round_up(few_channels_workspace(b.shape), 4);
  const AxisSum sum = bias_sum(b, passed);
  const int64_t count = sum.rows * sum.after;
  if (count > 0)
    launch("passed_gradients", passed_gradients_kernel,
           dim3(static_cast<unsigned>(ceil_div(count, kFewThreads))),
           dim3(kFewThreads), 0, stream, b.dy, b.indices,
           static_cast<int>(b.window_h * b.window_w), count, passed);
  axis_sum(sum, passed + round_up(count, 4), stream);
}

}  // namespace tw::cuda
