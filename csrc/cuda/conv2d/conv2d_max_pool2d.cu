// Convolution, bias, relu and max pooling as one product: its rows are the
// pixels of pooling windows, window by window, so that a window's pixels come
// to lie behind one another in the staged tile, where the epilogue takes their
// maximum. The convolution's output never reaches memory, and pixels that no
// window has are not computed.
#include "cuda/conv2d/conv2d.h"
#include "cuda/conv2d/implicit_gemm.cuh"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

constexpr uint8_t kKilled = 255;  // relu let nothing through

// Windows, as many as fit into the 64 rows that are staged at once; what is
// left of the 64 stays idle.
struct WindowPixels {
  int windows;  // in all images
  int window_w, taps, of_64;
  int pooled_p, pooled_q, stride_h, stride_w;
  Divider by_taps, by_window_w, by_pooled_q, by_pooled, by_of_64;

  WindowPixels() = default;
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
        by_pooled(m.pooled_p * m.pooled_q),
        by_of_64(of_64) {}

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

// The windows of staged rows, whose first is number `first` of the product's.
__device__ __forceinline__ void pool_staged(const PooledArguments& p, int first,
                                            int rows, const float* staged,
                                            int pitch, int columns,
                                            int column) {
  const int here = threadIdx.x % columns, channel = column + here;
  if (channel >= p.group_k) return;
  const int of_all = static_cast<int>(blockIdx.z) * p.group_k + channel;
  const float bias = p.bias ? p.bias[of_all] : 0;
  const int windows = rows / kStagedRows * p.rows.of_64;
  const int first_window = first / kStagedRows * p.rows.of_64;
#pragma unroll 1
  for (int w = threadIdx.x / columns; w < windows;
       w += static_cast<int>(blockDim.x) / columns) {
    if (first_window + w >= p.rows.windows) return;
    int within;
    const int row =
        p.rows.by_of_64.split(w, within) * kStagedRows + within * p.rows.taps;
    float best = -INFINITY;
    int code = 0;
    for (int tap = 0; tap < p.rows.taps; tap++)
      take(staged[(row + tap) * pitch + here] + bias, tap, best, code);
    const bool killed = p.relu && best <= 0;
    const int64_t at = int64_t{first_window + w} * p.k + of_all;
    p.y[at] = killed ? 0 : best;
    p.indices[at] = killed ? kKilled : static_cast<uint8_t>(code);
  }
}

template <class Loop, Access kAccess, bool kVectorsB>
__device__ __forceinline__ void pooled_tile(const PooledArguments& p) {
  const ConvArguments<ConvGeometry>& product = p.product;
  const ConvGeometry& d = product.geometry;
  const ConvPixels<kAccess, WindowPixels> left{
      product.a_here(), d, p.rows, {}, {}, {}};
  const SpanMatrix<kVectorsB> right{product.b_here(), d.k, d.group_k,
                                    product.depth,    {},  {}};
  int row, column;
  product.tiles.place(blockIdx.x, Loop::kRows, Loop::kColumns, row, column);
  Loop::run_staged(left, row, right, column, 0, product.depth,
                   [&](int first, int rows, const float* staged, int pitch) {
                     pool_staged(p, first, rows, staged, pitch, Loop::kColumns,
                                 column);
                   });
}

template <int kRows, int kColumns, Access kAccess, bool kVectorsB>
__global__ __launch_bounds__(
    simt_threads(kRows, kColumns),
    1) void conv2d_max_pool2d_kernel(PooledArguments p) {
  using Loop = SimtLoop<kRows, kColumns, DepthQuads, SpanQuads>;
  pooled_tile<Loop, kAccess, kVectorsB>(p);
}

template <Precision kPrecision, int kColumns, Access kAccess>
using TensorCores = TensorLoop<
    kPrecision, kColumns,
    DepthTile<kTensorTile, kInQuads<kAccess>,
              ConvPixels<kAccess, WindowPixels>>,
    SpanTile<kColumns, kInQuads<kAccess>, SpanMatrix<kInQuads<kAccess>>>>;

template <Precision kPrecision, int kColumns, Access kAccess>
__global__ __launch_bounds__(
    kTensorThreads,
    kTensorBlocks<
        kColumns>) void conv2d_max_pool2d_tensor_core_kernel(PooledArguments
                                                                 p) {
  using Loop = TensorCores<kPrecision, kColumns, kAccess>;
  pooled_tile<Loop, kAccess, kInQuads<kAccess>>(p);
}

ConvProduct product_of(const ConvMaxPool& m) {
  const ConvShape& d = m.conv.shape;
  const int64_t of_64 = kStagedRows / (m.window_h * m.window_w);
  const int64_t windows = d.n * m.pooled_p * m.pooled_q;
  return {ceil_div(windows, of_64) * kStagedRows, d.group_k(),
          d.r * d.s * d.group_c(), d.groups, m.conv.precision};
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
      conv_arguments(product, ConvGeometry(d), m.conv.x, d.group_c(),
                     m.conv.weight, d.group_k(), {}, nullptr),
      WindowPixels(m),
      m.conv.bias,
      m.conv.activation == Activation::relu,
      static_cast<int>(d.k),
      static_cast<int>(d.group_k()),
      m.y,
      m.indices};
  const bool vectors_a = quads_aligned(m.conv.x, d.c, d.group_c());
  const bool vectors_b = quads_aligned(m.conv.weight, d.k, d.group_k());
  if (product.on_tensor_cores())
    with_tensor_loop(
        product, access_of(vectors_a && vectors_b, d.group_c()),
        [&](auto precision, auto columns, auto access) {
          using Loop = TensorCores<precision(), columns(), access()>;
          launch("conv2d_max_pool2d_tensor_core",
                 conv2d_max_pool2d_tensor_core_kernel<precision(), columns(),
                                                      access()>,
                 conv_grid(product), dim3(kTensorThreads),
                 sizeof(typename Loop::Shared), stream, p);
        });
  else
    with_simt_loop(
        product, access_of(vectors_a, d.group_c()),
        [&](auto rows, auto columns, auto access) {
          const auto kernel =
              vectors_b
                  ? conv2d_max_pool2d_kernel<rows(), columns(), access(), true>
                  : conv2d_max_pool2d_kernel<rows(), columns(), access(),
                                             false>;
          launch("conv2d_max_pool2d", kernel, conv_grid(product),
                 dim3(simt_threads(rows(), columns())),
                 sizeof(SimtShared<rows(), columns()>), stream, p);
        });
}

}  // namespace tw::cuda
