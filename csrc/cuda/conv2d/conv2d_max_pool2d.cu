// Convolution, bias, relu and max pooling as one product: its rows are the
// pixels of pooling windows, window by window, so that a window's pixels come
// to lie behind one another in the staged tile, where the epilogue takes their
// maximum. The convolution's output never reaches memory, and pixels that no
// window has are not computed.
#include "cuda/conv2d/conv2d.h"
#include "cuda/conv2d/implicit_gemm.cuh"
#include "cuda/conv2d/sources.cuh"

namespace tw::cuda {
namespace {

constexpr uint8_t kKilled = 255;  // relu let nothing through

// Windows, as many as fit into the 64 rows that are staged at once; what is
// left of the 64 stays idle.
struct WindowPixels {
  int windows;  // in all images
  int window_w, taps, of_64;
  int pooled_p, pooled_q, stride_h, stride_w;
  Divider by_taps, by_window_w, by_pooled_q, by_pooled;

  explicit WindowPixels(const ConvMaxPool& m)
      : windows(static_cast<int>(m.conv.shape.n * m.pooled_p * m.pooled_q)),
        window_w(static_cast<int>(m.window_w)),
        taps(static_cast<int>(m.window_h * m.window_w)),
        of_64(kStagedRows / taps),
        pooled_p(static_cast<int>(m.pooled_p)),
        pooled_q(static_cast<int>(m.pooled_q)),
        stride_h(static_cast<int>(m.pool_stride_h)),
        stride_w(static_cast<int>(m.pool_stride_w)),
        by_taps(taps),
        by_window_w(window_w),
        by_pooled_q(pooled_q),
        by_pooled(m.pooled_p * m.pooled_q) {}

  __device__ __forceinline__ bool find(const ConvGeometry&, int span,
                                       int& image, int& p, int& q) const {
    int tap;
    const int of_these = by_taps.split(span % kStagedRows, tap);
    const int window = span / kStagedRows * of_64 + of_these;
    const bool inside = of_these < of_64 && window < windows;
    int rest, column, tap_column;
    image = by_pooled.split(inside ? window : 0, rest);
    const int row = by_pooled_q.split(rest, column);
    const int tap_row = by_window_w.split(tap, tap_column);
    p = row * stride_h + tap_row;
    q = column * stride_w + tap_column;
    return inside;
  }
};

struct PooledArguments {
  ConvArguments<ConvGeometry> product;
  WindowPixels rows;
  const float* bias;  // null: none
  bool relu;
  int k, group_k;
  float* y;
  uint8_t* indices;
};

// The maximum of a window for one channel: the first wins, and the first NaN.
__device__ __forceinline__ void take(float value, int tap, float& best,
                                     int& code) {
  if (!(value > best || (value != value && best == best))) return;
  best = value;
  code = tap;
}

// The windows of 64 staged rows; the first of them is number `first`.
template <int kSize>
__device__ __forceinline__ void pool_staged(const SimtShared<kSize>& shared,
                                            const PooledArguments& p, int first,
                                            int column) {
  const int group = static_cast<int>(blockIdx.z);
  const int here = threadIdx.x % kSize, channel = column + here;
  if (channel >= p.group_k) return;
  const float bias = p.bias ? p.bias[group * p.group_k + channel] : 0;
#pragma unroll 1
  for (int w = threadIdx.x / kSize; w < p.rows.of_64;
       w += kSimtThreads / kSize) {
    if (first + w >= p.rows.windows) return;
    float best = -INFINITY;
    int code = 0;
    for (int tap = 0; tap < p.rows.taps; tap++)
      take(shared.staged[w * p.rows.taps + tap][here] + bias, tap, best, code);
    const bool killed = p.relu && best <= 0;
    const int64_t at = int64_t{first + w} * p.k + group * p.group_k + channel;
    p.y[at] = killed ? 0 : best;
    p.indices[at] = killed ? kKilled : static_cast<uint8_t>(code);
  }
}

template <int kSize, bool kVectorsA, bool kVectorsB>
__global__ __launch_bounds__(kSimtThreads, 1) void conv2d_max_pool2d_kernel(
    PooledArguments p) {
  auto& shared = shared_memory<SimtShared<kSize>>();
  const ConvGeometry& d = p.product.geometry;
  using A = ConvPixels<kVectorsA, WindowPixels>;
  using B = SpanMatrix<kVectorsB>;
  int row, column;
  p.product.tiles.place(blockIdx.x, kSize, row, column);
  DepthQuads<kSize, A> a(
      {p.product.a + blockIdx.z * p.product.group_a, d, p.rows, {}, {}, {}, {}},
      row);
  SpanQuads<kSize, B> b({p.product.b + blockIdx.z * p.product.group_b,
                         d.k,
                         d.group_k,
                         p.product.depth,
                         {},
                         {}},
                        column);
  SimtSum<kSize> sum;
  simt_multiply(shared, a, b, 0, p.product.depth, sum);
#pragma unroll
  for (int part = 0; part < kSize / kStagedRows; part++) {
    simt_stage(shared, sum, part);
    __syncthreads();
    pool_staged(shared, p, (row / kStagedRows + part) * p.rows.of_64, column);
    __syncthreads();
  }
}

ConvProduct product_of(const ConvMaxPool& m) {
  const ConvShape& d = m.conv.shape;
  const int64_t of_64 = kStagedRows / (m.window_h * m.window_w);
  const int64_t windows = d.n * m.pooled_p * m.pooled_q;
  return {ceil_div(windows, of_64) * kStagedRows, d.group_k(),
          d.r * d.s * d.group_c(), d.groups};
}

template <int kSize>
auto kernel_for(bool a, bool b) {
  if (a)
    return b ? conv2d_max_pool2d_kernel<kSize, true, true>
             : conv2d_max_pool2d_kernel<kSize, true, false>;
  return b ? conv2d_max_pool2d_kernel<kSize, false, true>
           : conv2d_max_pool2d_kernel<kSize, false, false>;
}

}  // namespace

bool conv2d_max_pool2d_fits(const ConvMaxPool& m) {
  if (m.conv.shape.depthwise() || m.window_h * m.window_w > kStagedRows ||
      m.pool_stride_h < m.window_h || m.pool_stride_w < m.window_w)
    return false;
  const ConvProduct product = product_of(m);
  return product.rows < INT32_MAX / 2 && product.split().count == 1;
}

void conv2d_max_pool2d(const ConvMaxPool& m, Stream stream) {
  const ConvShape& d = m.conv.shape;
  if (d.n == 0) return;
  const ConvProduct product = product_of(m);
  const PooledArguments p{
      conv_arguments(product, d, m.conv.x, d.group_c(), m.conv.weight,
                     d.group_k(), {}, nullptr),
      WindowPixels(m),
      m.conv.bias,
      m.conv.activation == Activation::relu,
      static_cast<int>(d.k),
      static_cast<int>(d.group_k()),
      m.y,
      m.indices};
  const bool a = quads_aligned(m.conv.x, d.c, d.group_c());
  const bool b = quads_aligned(m.conv.weight, d.k, d.group_k());
  const bool large = product.tile_size() == 128;
  launch("conv2d_max_pool2d",
         large ? kernel_for<128>(a, b) : kernel_for<64>(a, b),
         conv_grid(product), dim3(kSimtThreads),
         large ? sizeof(SimtShared<128>) : sizeof(SimtShared<64>), stream, p);
}

}  // namespace tw::cuda
