#include <array>

#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cuda/pool2d/pool2d.h"

namespace tw::bindings::cuda {
namespace {

using tw::cuda::PoolShape;

// N, H, W, C, P, Q, R, S, strides, padding above and to the left.
using Sizes = std::array<int64_t, 12>;

void check_axis(int64_t size, int64_t window, int64_t stride, int64_t pad,
                int64_t out) {
  constexpr int64_t kMost = INT32_MAX / 2;
  const bool sane = size >= 1 && window >= 1 && stride >= 1 && pad >= 0 &&
                    out >= 1 && size <= kMost && window <= kMost &&
                    stride <= INT32_MAX && out <= kMost;
  expect(sane && pad <= window / 2 && (out - 1) * stride - pad < size,
         "pool2d: no such window");
}

PoolShape shape_of(const Sizes& z) {
  const PoolShape d{z[0], z[1], z[2], z[3], z[4],  z[5],
                    z[6], z[7], z[8], z[9], z[10], z[11]};
  check_axis(d.H, d.R, d.stride_h, d.pad_top, d.P);
  check_axis(d.W, d.S, d.stride_w, d.pad_left, d.Q);
  expect(d.C >= 1, "pool2d: no channels");
  expect(d.R * d.S <= INT32_MAX, "pool2d: the window is too large");
  return d;
}

int64_t inputs(const PoolShape& d) { return product({d.N, d.H, d.W, d.C}); }
int64_t outputs(const PoolShape& d) { return product({d.N, d.P, d.Q, d.C}); }

void max_pool2d(const Sizes& sizes, const Memory& x, bool relu, const Memory& y,
                const Memory& indices, uintptr_t stream) {
  const PoolShape d = shape_of(sizes);
  const int64_t count = outputs(d);
  void* codes =
      d.byte_indices()
          ? static_cast<void*>(access<uint8_t>(indices, "indices", count))
          : access<int32_t>(indices, "indices", count);
  const tw::cuda::MaxPool p{d, read(x, "x", inputs(d)), write(y, "y", count),
                            codes, relu};
  call([&] { tw::cuda::max_pool2d(p, stream_of(stream)); });
}

void max_pool2d_backward(const Sizes& sizes, const Memory& dy,
                         const Memory& indices, const Memory& dx,
                         uintptr_t stream) {
  const PoolShape d = shape_of(sizes);
  const int64_t count = outputs(d);
  const void* codes = d.byte_indices()
                          ? static_cast<const void*>(access<const uint8_t>(
                                indices, "indices", count))
                          : access<const int32_t>(indices, "indices", count);
  const tw::cuda::MaxPoolBackward p{d, read(dy, "dy", count), codes,
                                    write(dx, "dx", inputs(d))};
  call([&] { tw::cuda::max_pool2d_backward(p, stream_of(stream)); });
}

void avg_pool2d(const Sizes& sizes, const Memory& x, bool count_include_pad,
                const Memory& y, uintptr_t stream) {
  const PoolShape d = shape_of(sizes);
  const tw::cuda::AvgPool p{d, read(x, "x", inputs(d)),
                            write(y, "y", outputs(d)), count_include_pad};
  call([&] { tw::cuda::avg_pool2d(p, stream_of(stream)); });
}

void avg_pool2d_backward(const Sizes& sizes, const Memory& dy,
                         bool count_include_pad, const Memory& dx,
                         uintptr_t stream) {
  const PoolShape d = shape_of(sizes);
  const tw::cuda::AvgPool p{d, read(dy, "dy", outputs(d)),
                            write(dx, "dx", inputs(d)), count_include_pad};
  call([&] { tw::cuda::avg_pool2d_backward(p, stream_of(stream)); });
}

}  // namespace

void bind_pool2d(py::module_& m) {
  m.def("max_pool2d", &max_pool2d);
  m.def("max_pool2d_backward", &max_pool2d_backward);
  m.def("avg_pool2d", &avg_pool2d);
  m.def("avg_pool2d_backward", &avg_pool2d_backward);
}

}  // namespace tw::bindings::cuda
