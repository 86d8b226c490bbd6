// Arrays in C order and numbers take four elements a thread; anything else an
// element a thread, whose place in each array is found axis by axis. Axes that
// lie behind one another in all arrays are made one first.
#include <stdexcept>

#include "cuda/device/divider.hpp"
#include "cuda/elementwise/quads.cuh"
#include "cuda/elementwise/strided.h"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

constexpr int kMostAxes = 8;

__device__ __forceinline__ float compute(Operation kind, float a, float b) {
  switch (kind) {
    case Operation::add: return a + b;
    case Operation::subtract: return a - b;
    case Operation::multiply: return a * b;
    case Operation::divide: break;
  }
  return a / b;
}

// Where element i of the result lies in two arrays.
struct Places {
  int axes = 0;
  int count = 1;
  Divider by[kMostAxes];  // the last axis first
  int64_t first[kMostAxes], second[kMostAxes];

  __device__ __forceinline__ void find(int i, int64_t& in_first,
                                       int64_t& in_second) const {
    in_first = in_second = 0;
#pragma unroll
    for (int axis = 0; axis < kMostAxes; axis++) {
      if (axis == axes) break;
      int at;
      i = by[axis].split(i, at);
      in_first += at * first[axis];
      in_second += at * second[axis];
    }
  }

  // Whether both arrays are in C order, or numbers.
  bool in_order(bool first_is_array, bool second_is_array) const {
    return axes == 0 || (axes == 1 && (!first_is_array || first[0] == 1) &&
                         (!second_is_array || second[0] == 1));
  }
};

Places places_of(const Extents& shape, const Extents& first,
                 const Extents& second) {
  Places p;
  int64_t count = 1;
  Extents extents;
  for (size_t axis = shape.size(); axis-- > 0;) {
    const int64_t extent = shape[axis];
    count *= extent;
    if (extent == 1) continue;
    const int64_t a = first.empty() ? 0 : first[axis];
    const int64_t b = second.empty() ? 0 : second[axis];
    const int last = p.axes - 1;
    if (last >= 0 && a == p.first[last] * extents.back() &&
        b == p.second[last] * extents.back()) {
      extents.back() *= extent;
      continue;
    }
    if (p.axes == kMostAxes)
      throw std::invalid_argument("more than 8 axes with gaps between them");
    p.first[p.axes] = a;
    p.second[p.axes++] = b;
    extents.push_back(extent);
  }
  if (count >= int64_t{1} << 31)
    throw std::invalid_argument("2**31 elements or more");
  p.count = static_cast<int>(count);
  for (int axis = 0; axis < p.axes; axis++) p.by[axis] = Divider(extents[axis]);
  return p;
}

// y may be a or b: hence no __restrict__.
__global__ __launch_bounds__(kElementThreads) void arithmetic_kernel(
    Quads quads, Operation kind, const float* a, float a_number, const float* b,
    float b_number, float* y) {
  const int64_t i = quads.first();
  float left[4], right[4];
#pragma unroll
  for (int j = 0; j < 4; j++) left[j] = a_number, right[j] = b_number;
  if (a) quads.load(a, i, left);
  if (b) quads.load(b, i, right);
#pragma unroll
  for (int j = 0; j < 4; j++) left[j] = compute(kind, left[j], right[j]);
  quads.store(y, i, left);
}

__global__ __launch_bounds__(kElementThreads) void strided_arithmetic_kernel(
    Places places, Operation kind, const float* a, float a_number,
    const float* b, float b_number, float* y) {
  const unsigned i = blockIdx.x * kElementThreads + threadIdx.x;
  if (i >= static_cast<unsigned>(places.count)) return;
  int64_t at_a, at_b;
  places.find(static_cast<int>(i), at_a, at_b);
  y[i] = compute(kind, a ? a[at_a] : a_number, b ? b[at_b] : b_number);
}

__global__ __launch_bounds__(kElementThreads) void strided_copy_kernel(
    Places places, const float* __restrict__ src, float* __restrict__ dst) {
  const unsigned i = blockIdx.x * kElementThreads + threadIdx.x;
  if (i >= static_cast<unsigned>(places.count)) return;
  int64_t from, to;
  places.find(static_cast<int>(i), from, to);
  dst[to] = src[from];
}

}  // namespace

void arithmetic(const Arithmetic& p, Stream stream) {
  const Places places = places_of(p.shape, p.a.strides, p.b.strides);
  if (places.count == 0) return;
  if (places.in_order(p.a.data, p.b.data))
    return launch("arithmetic", arithmetic_kernel,
                  element_blocks(places.count, 4 * kElementThreads),
                  dim3(kElementThreads), 0, stream,
                  Quads{places.count, all_aligned(p.a.data, p.b.data, p.y)},
                  p.kind, p.a.data, p.a.number, p.b.data, p.b.number, p.y);
  launch("strided_arithmetic", strided_arithmetic_kernel,
         element_blocks(places.count, kElementThreads), dim3(kElementThreads),
         0, stream, places, p.kind, p.a.data, p.a.number, p.b.data, p.b.number,
         p.y);
}

void strided_copy(const StridedCopy& p, Stream stream) {
  const Places places = places_of(p.shape, p.src_strides, p.dst_strides);
  if (places.count == 0) return;
  launch("strided_copy", strided_copy_kernel,
         element_blocks(places.count, kElementThreads), dim3(kElementThreads),
         0, stream, places, p.src, p.dst);
}

}  // namespace tw::cuda
