// Pooling: the checks keep every window inside the image (one tap at least
// outside the padding) and every index inside its window.
#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/recorder.h"
#include "cpu/pool2d.h"

namespace tw::bindings {
namespace {

// Products of two such numbers stay inside int64.
constexpr int64_t kMaxExtent = INT32_MAX;

void check_axis(const char* axis, int64_t size, int64_t window, int64_t stride,
                int64_t pad, int64_t out) {
  const bool sane = size >= 1 && window >= 1 && stride >= 1 && pad >= 0 &&
                    out >= 1 && size <= kMaxExtent && window <= kMaxExtent &&
                    stride <= kMaxExtent && out <= kMaxExtent;
  expect(sane && pad <= window / 2 && (out - 1) * stride - pad < size,
         std::string("pool2d: no such window over the ") + axis + ": size " +
             std::to_string(size) + ", window " + std::to_string(window) +
             ", stride " + std::to_string(stride) + ", padding " +
             std::to_string(pad) + ", output " + std::to_string(out));
}

cpu::PoolShape check(const cpu::PoolShape& s) {
  check_axis("height", s.H, s.R, s.stride_h, s.pad_top, s.P);
  check_axis("width", s.W, s.S, s.stride_w, s.pad_left, s.Q);
  expect(s.C >= 1, "pool2d: no channels");
  expect(s.R * s.S <= INT32_MAX, "pool2d: the window is too large");
  product({s.N, s.H, s.W, s.C});
  product({s.N, s.P, s.Q, s.C});
  return s;
}

cpu::PoolShape forward_shape(const py::array& x, int64_t R, int64_t S,
                             int64_t sh, int64_t sw, int64_t pad_top,
                             int64_t pad_left, int64_t P, int64_t Q) {
  const Shape in = shape_of(x);
  return check({in[0], in[1], in[2], in[3], P, Q, R, S, sh, sw, pad_top,
                pad_left, product({in[2], in[3]})});
}

cpu::PoolShape backward_shape(const py::array& dy, int64_t H, int64_t W,
                              int64_t R, int64_t S, int64_t sh, int64_t sw,
                              int64_t pad_top, int64_t pad_left) {
  const Shape out = shape_of(dy);
  return check({out[0], H, W, out[3], out[1], out[2], R, S, sh, sw, pad_top,
                pad_left, product({W, out[3]})});
}

py::tuple max_pool2d(const py::array& x, int64_t R, int64_t S, int64_t sh,
                     int64_t sw, int64_t pad_top, int64_t pad_left, int64_t P,
                     int64_t Q) {
  const float* src = read(x, "x", 4);
  const cpu::PoolShape s =
      forward_shape(x, R, S, sh, sw, pad_top, pad_left, P, Q);
  const Shape out = {s.N, P, Q, s.C};
  py::array y = empty(out);
  py::array indices = s.byte_indices() ? empty_bytes(out) : empty_int32(out);
  float* dst = write(y, "y", 4);
  void* taps = indices.mutable_data();
  call(cpu::pool2d, {cpu::PoolPass::max, s, src, dst, nullptr, taps, false});
  return py::make_tuple(y, indices);
}

py::array max_pool2d_backward(const py::array& dy, const py::array& indices,
                              int64_t H, int64_t W, int64_t R, int64_t S,
                              int64_t sh, int64_t sw, int64_t pad_top,
                              int64_t pad_left) {
  const float* src = read(dy, "dy", 4);
  const cpu::PoolShape s =
      backward_shape(dy, H, W, R, S, sh, sw, pad_top, pad_left);
  expect_shape(indices, "indices", shape_of(dy));
  const bool right_type = s.byte_indices()
                              ? py::isinstance<py::array_t<uint8_t>>(indices)
                              : py::isinstance<py::array_t<int32_t>>(indices);
  if (!right_type)
    throw py::type_error(std::string("indices: expected ") +
                         (s.byte_indices() ? "uint8" : "int32"));
  const void* taps = indices.data();
  expect((indices.flags() & py::array::c_style) != 0 &&
             reinterpret_cast<uintptr_t>(taps) %
                     (s.byte_indices() ? 1 : alignof(int32_t)) ==
                 0,
         "indices: expected a C-contiguous, aligned array");
  py::array dx = empty({s.N, H, W, s.C});
  float* dst = write(dx, "dx", 4);
  bool valid = false;
  {
    py::gil_scoped_release release;
    valid = cpu::pool_indices_valid(s, taps);
  }
  expect(valid, "max_pool2d_backward: indices has a code that is no tap of a " +
                    std::to_string(R) + "x" + std::to_string(S) + " window");
  call(cpu::pool2d,
       {cpu::PoolPass::max_backward, s, src, dst, taps, nullptr, false});
  return dx;
}

py::array avg_pool2d(const py::array& x, int64_t R, int64_t S, int64_t sh,
                     int64_t sw, int64_t pad_top, int64_t pad_left, int64_t P,
                     int64_t Q, bool count_include_pad) {
  const float* src = read(x, "x", 4);
  const cpu::PoolShape s =
      forward_shape(x, R, S, sh, sw, pad_top, pad_left, P, Q);
  py::array y = empty({s.N, P, Q, s.C});
  float* dst = write(y, "y", 4);
  call(cpu::pool2d,
       {cpu::PoolPass::avg, s, src, dst, nullptr, nullptr, count_include_pad});
  return y;
}

py::array avg_pool2d_backward(const py::array& dy, int64_t H, int64_t W,
                              int64_t R, int64_t S, int64_t sh, int64_t sw,
                              int64_t pad_top, int64_t pad_left,
                              bool count_include_pad) {
  const float* src = read(dy, "dy", 4);
  const cpu::PoolShape s =
      backward_shape(dy, H, W, R, S, sh, sw, pad_top, pad_left);
  py::array dx = empty({s.N, H, W, s.C});
  float* dst = write(dx, "dx", 4);
  call(cpu::pool2d, {cpu::PoolPass::avg_backward, s, src, dst, nullptr, nullptr,
                     count_include_pad});
  return dx;
}

}  // namespace

void bind_pool2d(py::module_& m) {
  m.def("max_pool2d", &max_pool2d);
  m.def("max_pool2d_backward", &max_pool2d_backward);
  m.def("avg_pool2d", &avg_pool2d);
  m.def("avg_pool2d_backward", &avg_pool2d_backward);
}

}  // namespace tw::bindings
