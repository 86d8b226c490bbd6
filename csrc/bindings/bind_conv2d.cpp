#include "bindings/conv2d_arguments.h"
#include "bindings/module.h"
#include "bindings/recorder.h"

namespace tw::bindings {
namespace {

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
  call(cpu::conv2d, f);
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
  call(cpu::conv2d_backward_input, b);
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
  call(cpu::conv2d_backward_weight, b);
  return py::make_tuple(dweight, dbias);
}

}  // namespace

void bind_conv2d(py::module_& m) {
  using py::arg;
  m.def("conv2d", &conv2d, arg("x"), arg("weight"), arg("bias"),
        arg("stride_h"), arg("stride_w"), arg("pad_top"), arg("pad_left"),
        arg("dilation_h"), arg("dilation_w"), arg("groups"), arg("p"), arg("q"),
        arg("activation"), arg("out"));
  m.def("conv2d_backward_input", &conv2d_backward_input, arg("dy"),
        arg("weight"), arg("h"), arg("w"), arg("c"), arg("stride_h"),
        arg("stride_w"), arg("pad_top"), arg("pad_left"), arg("dilation_h"),
        arg("dilation_w"), arg("groups"), arg("out"));
  m.def("conv2d_backward_weight", &conv2d_backward_weight, arg("x"), arg("dy"),
        arg("r"), arg("s"), arg("stride_h"), arg("stride_w"), arg("pad_top"),
        arg("pad_left"), arg("dilation_h"), arg("dilation_w"), arg("groups"));
}

}  // namespace tw::bindings
