// A thread has four neighbouring channels (one, where they are no multiple of
// four) of an output forward, of an input backward: there it gathers what the
// windows over its pixel pass on, so that nothing is atomic. Memory bounds all
// of it: each input is read once from L2 or nearer, however windows overlap.
#include <stdexcept>

#include "common/integers.h"
#include "cuda/device/divider.hpp"
#include "cuda/device/lanes.hpp"
#include "cuda/launch.hpp"
#include "cuda/pool2d/pool2d.h"

namespace tw::cuda {
namespace {

constexpr int kThreads = 256;

struct PoolGeometry {
  int H, W, P, Q, R, S;
  int stride_h, stride_w, pad_top, pad_left;
  int64_t C;
  int64_t quads;  // threads a pixel
  int64_t threads;
  Divider by_width, by_image;  // of the pixels that threads have

  PoolGeometry(const PoolShape& d, bool of_outputs, int lanes)
      : H(static_cast<int>(d.H)),
        W(static_cast<int>(d.W)),
        P(static_cast<int>(d.P)),
        Q(static_cast<int>(d.Q)),
        R(static_cast<int>(d.R)),
        S(static_cast<int>(d.S)),
        stride_h(static_cast<int>(d.stride_h)),
        stride_w(static_cast<int>(d.stride_w)),
        pad_top(static_cast<int>(d.pad_top)),
        pad_left(static_cast<int>(d.pad_left)),
        C(d.C),
        quads(d.C / lanes),
        threads(d.N * (of_outputs ? d.P * d.Q : d.H * d.W) * quads),
        by_width(of_outputs ? d.Q : d.W),
        by_image(of_outputs ? d.P * d.Q : d.H * d.W) {
    if (d.N * d.H * d.W >= int64_t{1} << 31)
      throw std::invalid_argument("pool2d: pixels must be fewer than 2**31");
  }
};

// [begin, end) of taps inside the image, or of outputs over an input.
struct Range {
  int begin, end;
};

__device__ __forceinline__ Range taps_of(int output, int stride, int pad,
                                         int window, int size) {
  const int first = output * stride - pad;
  return {first < 0 ? -first : 0,
          size - first < window ? size - first : window};
}

__device__ __forceinline__ Range windows_over(int at, int stride, int pad,
                                              int window, int outputs) {
  const int last = at + pad;  // in the padded image
  const int before = last - window;
  const int end = last / stride + 1;
  return {before < 0 ? 0 : before / stride + 1, end < outputs ? end : outputs};
}

// The pixel and first channel of a thread; false beyond the last.
struct Place {
  int image, row, column;
  int64_t channel;
};
template <int kLanes>
__device__ __forceinline__ bool find(const PoolGeometry& d, Place& at) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= d.threads) return false;
  const int64_t pixel = i / d.quads;
  at.channel = (i - pixel * d.quads) * kLanes;
  int rest;
  at.image = d.by_image.split(static_cast<int>(pixel), rest);
  at.row = d.by_width.split(rest, at.column);
  return true;
}

__device__ __forceinline__ int64_t input_at(const PoolGeometry& d,
                                            const Place& at, int row,
                                            int column) {
  return ((int64_t{at.image} * d.H + row) * d.W + column) * d.C + at.channel;
}
__device__ __forceinline__ int64_t output_at(const PoolGeometry& d,
                                             const Place& at, int row,
                                             int column) {
  return ((int64_t{at.image} * d.P + row) * d.Q + column) * d.C + at.channel;
}

// Four bytes travel as one word, four words as 128 bits.
template <int kLanes>
__device__ __forceinline__ void store_codes(uint8_t* to, const int* code) {
  if constexpr (kLanes == 4)
    store_vector(to, make_uchar4(static_cast<uint8_t>(code[0]),
                                 static_cast<uint8_t>(code[1]),
                                 static_cast<uint8_t>(code[2]),
                                 static_cast<uint8_t>(code[3])));
  else
    *to = static_cast<uint8_t>(code[0]);
}
template <int kLanes>
__device__ __forceinline__ void store_codes(int32_t* to, const int* code) {
#pragma unroll
  for (int i = 0; i < kLanes; i++) to[i] = code[i];
}
template <int kLanes>
__device__ __forceinline__ void load_codes(const uint8_t* from, int* code) {
  if constexpr (kLanes == 4) {
    const auto four = load_vector<uchar4>(from);
    code[0] = four.x;
    code[1] = four.y;
    code[2] = four.z;
    code[3] = four.w;
  } else {
    code[0] = *from;
  }
}
template <int kLanes>
__device__ __forceinline__ void load_codes(const int32_t* from, int* code) {
#pragma unroll
  for (int i = 0; i < kLanes; i++) code[i] = from[i];
}

template <int kLanes, class Index>
__global__ __launch_bounds__(kThreads, 2) void max_pool2d_kernel(
    PoolGeometry d, const float* __restrict__ x, bool relu,
    float* __restrict__ y, Index* __restrict__ indices) {
  Place at;
  if (!find<kLanes>(d, at)) return;
  const Range rows = taps_of(at.row, d.stride_h, d.pad_top, d.R, d.H);
  const Range columns = taps_of(at.column, d.stride_w, d.pad_left, d.S, d.W);
  auto best = Lanes<kLanes>::all(-INFINITY);
  int code[kLanes];
#pragma unroll
  for (int i = 0; i < kLanes; i++) code[i] = rows.begin * d.S + columns.begin;
  for (int r = rows.begin; r < rows.end; r++)
    for (int s = columns.begin; s < columns.end; s++) {
      const auto value = Lanes<kLanes>::load(
          x + input_at(d, at, at.row * d.stride_h - d.pad_top + r,
                       at.column * d.stride_w - d.pad_left + s));
#pragma unroll
      for (int i = 0; i < kLanes; i++) {
        const float v = value.of[i], b = best.of[i];
        if (!(v > b || (v != v && b == b))) continue;
        best.of[i] = v;
        code[i] = r * d.S + s;
      }
    }
  if (relu) {
#pragma unroll
    for (int i = 0; i < kLanes; i++)
      if (best.of[i] <= 0) code[i] = -1;
  }
  const int64_t to = output_at(d, at, at.row, at.column);
  best.store(y + to);
  store_codes<kLanes>(indices + to, code);
}

template <int kLanes, class Index>
__global__ __launch_bounds__(kThreads, 2) void max_pool2d_backward_kernel(
    PoolGeometry d, const float* __restrict__ dy,
    const Index* __restrict__ indices, float* __restrict__ dx) {
  Place at;
  if (!find<kLanes>(d, at)) return;
  const Range rows = windows_over(at.row, d.stride_h, d.pad_top, d.R, d.P);
  const Range columns =
      windows_over(at.column, d.stride_w, d.pad_left, d.S, d.Q);
  auto sum = Lanes<kLanes>::all(0);
  for (int p = rows.begin; p < rows.end; p++)
    for (int q = columns.begin; q < columns.end; q++) {
      const int tap = (at.row + d.pad_top - p * d.stride_h) * d.S + at.column +
                      d.pad_left - q * d.stride_w;
      const int64_t from = output_at(d, at, p, q);
      int code[kLanes];
      load_codes<kLanes>(indices + from, code);
      const auto passed = Lanes<kLanes>::load(dy + from);
#pragma unroll
      for (int i = 0; i < kLanes; i++)
        if (code[i] == tap) sum.of[i] += passed.of[i];
    }
  sum.store(dx + input_at(d, at, at.row, at.column));
}

__device__ __forceinline__ float divisor(const PoolGeometry& d, int p, int q,
                                         bool count_include_pad) {
  if (count_include_pad) return static_cast<float>(d.R * d.S);
  const Range rows = taps_of(p, d.stride_h, d.pad_top, d.R, d.H);
  const Range columns = taps_of(q, d.stride_w, d.pad_left, d.S, d.W);
  return static_cast<float>((rows.end - rows.begin) *
                            (columns.end - columns.begin));
}

template <int kLanes>
__global__ __launch_bounds__(kThreads, 2) void avg_pool2d_kernel(
    PoolGeometry d, const float* __restrict__ x, bool count_include_pad,
    float* __restrict__ y) {
  Place at;
  if (!find<kLanes>(d, at)) return;
  const Range rows = taps_of(at.row, d.stride_h, d.pad_top, d.R, d.H);
  const Range columns = taps_of(at.column, d.stride_w, d.pad_left, d.S, d.W);
  auto sum = Lanes<kLanes>::all(0);
  for (int r = rows.begin; r < rows.end; r++) {
    // A sum a row keeps the rounding of large windows small.
    auto row = Lanes<kLanes>::all(0);
    for (int s = columns.begin; s < columns.end; s++) {
      const auto value = Lanes<kLanes>::load(
          x + input_at(d, at, at.row * d.stride_h - d.pad_top + r,
                       at.column * d.stride_w - d.pad_left + s));
#pragma unroll
      for (int i = 0; i < kLanes; i++) row.of[i] += value.of[i];
    }
#pragma unroll
    for (int i = 0; i < kLanes; i++) sum.of[i] += row.of[i];
  }
  const float count = divisor(d, at.row, at.column, count_include_pad);
#pragma unroll
  for (int i = 0; i < kLanes; i++) sum.of[i] /= count;
  sum.store(y + output_at(d, at, at.row, at.column));
}

template <int kLanes>
__global__ __launch_bounds__(kThreads, 2) void avg_pool2d_backward_kernel(
    PoolGeometry d, const float* __restrict__ dy, bool count_include_pad,
    float* __restrict__ dx) {
  Place at;
  if (!find<kLanes>(d, at)) return;
  const Range rows = windows_over(at.row, d.stride_h, d.pad_top, d.R, d.P);
  const Range columns =
      windows_over(at.column, d.stride_w, d.pad_left, d.S, d.Q);
  auto sum = Lanes<kLanes>::all(0);
  for (int p = rows.begin; p < rows.end; p++)
    for (int q = columns.begin; q < columns.end; q++) {
      const float count = divisor(d, p, q, count_include_pad);
      const auto passed = Lanes<kLanes>::load(dy + output_at(d, at, p, q));
#pragma unroll
      for (int i = 0; i < kLanes; i++) sum.of[i] += passed.of[i] / count;
    }
  sum.store(dx + input_at(d, at, at.row, at.column));
}

// Whether each array can be read and written four channels at a time.
bool by_quads(const PoolShape& d, const void* a, const void* b) {
  return d.C % 4 == 0 && all_aligned(a, b);
}

template <class... Parameters, class... Arguments>
void run(const char* name, void (*kernel)(PoolGeometry, Parameters...),
         const PoolGeometry& d, Stream stream, const Arguments&... arguments) {
  if (d.threads == 0) return;
  const auto blocks = static_cast<unsigned>(ceil_div(d.threads, kThreads));
  launch(name, kernel, dim3(blocks), dim3(kThreads), 0, stream, d,
         arguments...);
}

template <int kLanes, class Index>
void run_max(const MaxPool& m, Stream stream) {
  run("max_pool2d", max_pool2d_kernel<kLanes, Index>,
      PoolGeometry(m.shape, true, kLanes), stream, m.x, m.relu, m.y,
      static_cast<Index*>(m.indices));
}

template <int kLanes, class Index>
void run_max_backward(const MaxPoolBackward& m, Stream stream) {
  run("max_pool2d_backward", max_pool2d_backward_kernel<kLanes, Index>,
      PoolGeometry(m.shape, false, kLanes), stream, m.dy,
      static_cast<const Index*>(m.indices), m.dx);
}

}  // namespace

void max_pool2d(const MaxPool& m, Stream stream) {
  const bool quads = by_quads(m.shape, m.x, m.y) &&
                     reinterpret_cast<uintptr_t>(m.indices) % 4 == 0;
  if (!m.shape.byte_indices())
    return quads ? run_max<4, int32_t>(m, stream)
                 : run_max<1, int32_t>(m, stream);
  quads ? run_max<4, uint8_t>(m, stream) : run_max<1, uint8_t>(m, stream);
}

void max_pool2d_backward(const MaxPoolBackward& m, Stream stream) {
  const bool quads = by_quads(m.shape, m.dy, m.dx) &&
                     reinterpret_cast<uintptr_t>(m.indices) % 4 == 0;
  if (!m.shape.byte_indices())
    return quads ? run_max_backward<4, int32_t>(m, stream)
                 : run_max_backward<1, int32_t>(m, stream);
  quads ? run_max_backward<4, uint8_t>(m, stream)
        : run_max_backward<1, uint8_t>(m, stream);
}

void avg_pool2d(const AvgPool& a, Stream stream) {
  const bool quads = by_quads(a.shape, a.src, a.dst);
  run("avg_pool2d", quads ? avg_pool2d_kernel<4> : avg_pool2d_kernel<1>,
      PoolGeometry(a.shape, true, quads ? 4 : 1), stream, a.src,
      a.count_include_pad, a.dst);
}

void avg_pool2d_backward(const AvgPool& a, Stream stream) {
  const bool quads = by_quads(a.shape, a.src, a.dst);
  run("avg_pool2d_backward",
      quads ? avg_pool2d_backward_kernel<4> : avg_pool2d_backward_kernel<1>,
      PoolGeometry(a.shape, false, quads ? 4 : 1), stream, a.src,
      a.count_include_pad, a.dst);
}

}  // namespace tw::cuda
