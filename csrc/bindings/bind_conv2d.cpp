#include "bindings/arrays.h"
#include "bindings/module.h"
#include "cpu/conv2d.h"

namespace tw::bindings {
namespace {

// No extent, stride or padding this large can describe an array in memory;
// below it the index arithmetic of a convolution cannot overflow.
constexpr int64_t kLargest = int64_t{1} << 31;

// Sizes and steps in their ranges, and products of extents that fit.
void expect_sound(const cpu::ConvShape& d) {
  for (int64_t size : {d.n, d.h, d.w, d.c, d.r, d.s, d.k, d.p, d.q, d.pad_top,
                       d.pad_left, d.stride_h, d.stride_w, d.dilation_h,
                       d.dilation_w, d.groups})
    expect(size >= 0 && size < kLargest, "conv2d: size out of range");
  for (int64_t size : {d.h, d.w, d.c, d.r, d.s, d.k, d.p, d.q, d.stride_h,
                       d.stride_w, d.dilation_h, d.dilation_w, d.groups})
    expect(size >= 1, "conv2d: size must be at least 1");
  expect(d.c % d.groups == 0 && d.k % d.groups == 0,
         "conv2d: channels are not divisible by groups");
  product({d.n, d.h, d.w, d.c});
  product({d.n, d.p, d.q, d.k});
  product({d.r, d.s, d.c, d.k});
}

void set_steps(cpu::ConvShape& d, int64_t stride_h, int64_t stride_w,
               int64_t pad_top, int64_t pad_left, int64_t dilation_h,
               int64_t dilation_w, int64_t groups) {
  d.stride_h = stride_h, d.stride_w = stride_w;
  d.pad_top = pad_top, d.pad_left = pad_left;
  d.dilation_h = dilation_h, d.dilation_w = dilation_w;
  d.groups = groups;
}

void set_input(cpu::ConvShape& d, const py::array& x) {
  d.n = x.shape(0), d.h = x.shape(1), d.w = x.shape(2), d.c = x.shape(3);
}

void set_output(cpu::ConvShape& d, const py::array& dy) {
  d.p = dy.shape(1), d.q = dy.shape(2), d.k = dy.shape(3);
}

void set_weight(cpu::ConvShape& d, const py::array& weight) {
  d.r = weight.shape(0), d.s = weight.shape(1), d.k = weight.shape(3);
}

cpu::ConvForward forward(const py::array& x, const py::array& weight,
                         const py::object& bias, int64_t stride_h,
                         int64_t stride_w, int64_t pad_top, int64_t pad_left,
                         int64_t dilation_h, int64_t dilation_w,
                         int64_t groups, int64_t p, int64_t q,
                         const std::string& activation) {
  cpu::ConvForward f{};
  f.x = read(x, "x", 4);
  f.weight = read(weight, "weight", 4);
  set_input(f.shape, x);
  set_weight(f.shape, weight);
  set_steps(f.shape, stride_h, stride_w, pad_top, pad_left, dilation_h,
            dilation_w, groups);
  f.shape.p = p, f.shape.q = q;
  expect_sound(f.shape);
  expect_shape(weight, "weight",
               {f.shape.r, f.shape.s, f.shape.group_c(), f.shape.k});
  f.bias = optional(bias, "bias", {f.shape.k});
  f.activation = parse_activation(activation);
  return f;
}

py::array conv2d(const py::array& x, const py::array& weight,
                 const py::object& bias, int64_t stride_h, int64_t stride_w,
                 int64_t pad_top, int64_t pad_left, int64_t dilation_h,
                 int64_t dilation_w, int64_t groups, int64_t p, int64_t q,
                 const std::string& activation, const py::object& out) {
  cpu::ConvForward f =
      forward(x, weight, bias, stride_h, stride_w, pad_top, pad_left,
              dilation_h, dilation_w, groups, p, q, activation);
  py::array y = output(out, {f.shape.n, p, q, f.shape.k});
  f.y = write(y, "out", 4);
  {
    const py::gil_scoped_release release;
    cpu::conv2d(f);
  }
  return y;
}

py::array conv2d_backward_input(const py::array& dy, const py::array& weight,
                                int64_t h, int64_t w, int64_t c,
                                int64_t stride_h, int64_t stride_w,
                                int64_t pad_top, int64_t pad_left,
                                int64_t dilation_h, int64_t dilation_w,
                                int64_t groups, const py::object& out) {
  cpu::ConvBackwardInput b{};
  b.dy = read(dy, "dy", 4);
  b.weight = read(weight, "weight", 4);
  cpu::ConvShape& d = b.shape;
  set_output(d, dy);
  set_weight(d, weight);
  set_steps(d, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w,
            groups);
  d.n = dy.shape(0), d.h = h, d.w = w, d.c = c;
  expect_sound(d);
  expect_shape(weight, "weight", {d.r, d.s, d.group_c(), dy.shape(3)});
  py::array dx = output(out, {d.n, h, w, c});
  b.dx = write(dx, "out", 4);
  {
    const py::gil_scoped_release release;
    cpu::conv2d_backward_input(b);
  }
  return dx;
}

py::tuple conv2d_backward_weight(const py::array& x, const py::array& dy,
                                 int64_t r, int64_t s, int64_t stride_h,
                                 int64_t stride_w, int64_t pad_top,
                                 int64_t pad_left, int64_t dilation_h,
                                 int64_t dilation_w, int64_t groups) {
  cpu::ConvBackwardWeight b{};
  b.x = read(x, "x", 4);
  b.dy = read(dy, "dy", 4);
  cpu::ConvShape& d = b.shape;
  set_input(d, x);
  set_output(d, dy);
  set_steps(d, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w,
            groups);
  d.r = r, d.s = s;
  expect_sound(d);
  expect(dy.shape(0) == d.n, "conv2d: batch sizes of x and dy differ");
  py::array dweight = empty({r, s, d.group_c(), d.k});
  py::array dbias = empty({d.k});
  b.dweight = write(dweight, "dweight", 4);
  b.dbias = write(dbias, "dbias", 1);
  {
    const py::gil_scoped_release release;
    cpu::conv2d_backward_weight(b);
  }
  return py::make_tuple(dweight, dbias);
}

py::tuple conv2d_max_pool2d(const py::array& x, const py::array& weight,
                            const py::object& bias, int64_t stride_h,
                            int64_t stride_w, int64_t pad_top,
                            int64_t pad_left, int64_t dilation_h,
                            int64_t dilation_w, int64_t groups, int64_t p,
                            int64_t q, const std::string& activation,
                            int64_t window_h, int64_t window_w,
                            int64_t pool_stride_h, int64_t pool_stride_w) {
  cpu::ConvMaxPool f{};
  f.conv = forward(x, weight, bias, stride_h, stride_w, pad_top, pad_left,
                   dilation_h, dilation_w, groups, p, q, activation);
  expect(f.conv.activation == cpu::Activation::none ||
             f.conv.activation == cpu::Activation::relu,
         "conv2d_max_pool2d: activation must be none or relu");
  expect(window_h >= 1 && window_w >= 1 && window_h <= p && window_w <= q &&
             window_h <= 254 && window_w <= 254 && window_h * window_w <= 254,
         "conv2d_max_pool2d: window out of range");
  expect(pool_stride_h >= 1 && pool_stride_w >= 1 &&
             pool_stride_h < kLargest && pool_stride_w < kLargest,
         "conv2d_max_pool2d: pool stride out of range");
  f.window_h = window_h, f.window_w = window_w;
  f.pool_stride_h = pool_stride_h, f.pool_stride_w = pool_stride_w;
  f.pooled_p = (p - window_h) / pool_stride_h + 1;
  f.pooled_q = (q - window_w) / pool_stride_w + 1;
  const Shape shape{f.conv.shape.n, f.pooled_p, f.pooled_q, f.conv.shape.k};
  py::array y = empty(shape);
  py::array indices = empty_bytes(shape);
  f.y = write(y, "y", 4);
  f.indices = static_cast<uint8_t*>(indices.mutable_data());
  {
    const py::gil_scoped_release release;
    cpu::conv2d_max_pool2d(f);
  }
  return py::make_tuple(y, indices);
}

}  // namespace

void bind_conv2d(py::module_& m) {
  using py::arg;
  m.def("conv2d", &conv2d, arg("x"), arg("weight"), arg("bias"),
        arg("stride_h"), arg("stride_w"), arg("pad_top"), arg("pad_left"),
        arg("dilation_h"), arg("dilation_w"), arg("groups"), arg("p"),
        arg("q"), arg("activation"), arg("out"));
  m.def("conv2d_backward_input", &conv2d_backward_input, arg("dy"),
        arg("weight"), arg("h"), arg("w"), arg("c"), arg("stride_h"),
        arg("stride_w"), arg("pad_top"), arg("pad_left"), arg("dilation_h"),
        arg("dilation_w"), arg("groups"), arg("out"));
  m.def("conv2d_backward_weight", &conv2d_backward_weight, arg("x"),
        arg("dy"), arg("r"), arg("s"), arg("stride_h"), arg("stride_w"),
        arg("pad_top"), arg("pad_left"), arg("dilation_h"), arg("dilation_w"),
        arg("groups"));
  m.def("conv2d_max_pool2d", &conv2d_max_pool2d, arg("x"), arg("weight"),
        arg("bias"), arg("stride_h"), arg("stride_w"), arg("pad_top"),
        arg("pad_left"), arg("dilation_h"), arg("dilation_w"), arg("groups"),
        arg("p"), arg("q"), arg("activation"), arg("window_h"),
        arg("window_w"), arg("pool_stride_h"), arg("pool_stride_w"));
}

}  // namespace tw::bindings
