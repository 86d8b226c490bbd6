// Convolution under a max-pool. Indices are checked here, for a kernel reads
// memory where they point.
#include "bindings/conv2d_arguments.h"
#include "bindings/module.h"
#include "bindings/recorder.h"
#include "cpu/pool2d.h"

namespace tw::bindings {
namespace {

void check_pooling(const cpu::ConvShape& d, int64_t window_h, int64_t window_w,
                   int64_t pool_stride_h, int64_t pool_stride_w) {
  expect(window_h >= 1 && window_w >= 1 && window_h <= d.p && window_w <= d.q &&
             window_h <= 254 && window_w <= 254 && window_h * window_w <= 254,
         "conv2d_max_pool2d: window out of range");
  expect(pool_stride_h >= 1 && pool_stride_w >= 1 && pool_stride_h < kLargest &&
             pool_stride_w < kLargest,
         "conv2d_max_pool2d: pool stride out of range");
}

py::tuple conv2d_max_pool2d(const py::array& x, const py::array& weight,
                            const py::object& bias, int64_t stride_h,
                            int64_t stride_w, int64_t pad_top, int64_t pad_left,
                            int64_t dilation_h, int64_t dilation_w,
                            int64_t groups, int64_t p, int64_t q,
                            const std::string& activation, int64_t window_h,
                            int64_t window_w, int64_t pool_stride_h,
                            int64_t pool_stride_w) {
  cpu::ConvMaxPool f{};
  f.conv = forward(x, weight, bias, stride_h, stride_w, pad_top, pad_left,
                   dilation_h, dilation_w, groups, p, q, activation);
  expect(f.conv.activation == cpu::Activation::none ||
             f.conv.activation == cpu::Activation::relu,
         "conv2d_max_pool2d: activation must be none or relu");
  check_pooling(f.conv.shape, window_h, window_w, pool_stride_h, pool_stride_w);
  f.window_h = window_h, f.window_w = window_w;
  f.pool_stride_h = pool_stride_h, f.pool_stride_w = pool_stride_w;
  f.pooled_p = (p - window_h) / pool_stride_h + 1;
  f.pooled_q = (q - window_w) / pool_stride_w + 1;
  const Shape shape{f.conv.shape.n, f.pooled_p, f.pooled_q, f.conv.shape.k};
  py::array y = empty(shape);
  py::array indices = empty_bytes(shape);
  f.y = write(y, "y", 4);
  f.indices = static_cast<uint8_t*>(indices.mutable_data());
  call(cpu::conv2d_max_pool2d, f);
  return py::make_tuple(y, indices);
}

// `shape` is complete but for what dy says.
cpu::PooledGradient gradient(cpu::ConvShape shape, const py::array& dy,
                             const py::array& indices, int64_t window_h,
                             int64_t window_w, int64_t pool_stride_h,
                             int64_t pool_stride_w) {
  cpu::PooledGradient g{};
  g.dy = read(dy, "dy", 4);
  shape.k = dy.shape(3);
  expect_sound(shape);
  expect(dy.shape(0) == shape.n, "conv2d_max_pool2d: batch sizes differ");
  check_pooling(shape, window_h, window_w, pool_stride_h, pool_stride_w);
  g.shape = shape;
  g.window_h = window_h, g.window_w = window_w;
  g.pool_stride_h = pool_stride_h, g.pool_stride_w = pool_stride_w;
  g.pooled_p = (shape.p - window_h) / pool_stride_h + 1;
  g.pooled_q = (shape.q - window_w) / pool_stride_w + 1;
  expect_shape(dy, "dy", {shape.n, g.pooled_p, g.pooled_q, shape.k});
  g.indices = read_bytes(indices, "indices", 4);
  expect_shape(indices, "indices", shape_of(dy));
  return g;
}

void expect_taps(const cpu::PooledGradient& g) {
  const cpu::ConvShape& d = g.shape;
  bool valid = false;
  {
    const py::gil_scoped_release release;
    valid = cpu::pool_indices_valid(
        {d.n, d.p, d.q, d.k, g.pooled_p, g.pooled_q, g.window_h, g.window_w,
         g.pool_stride_h, g.pool_stride_w, 0, 0, d.q * d.k},
        g.indices);
  }
  expect(valid,
         "conv2d_max_pool2d: indices has a code that is no tap of the "
         "window");
}

py::array conv2d_max_pool2d_backward_input(
    const py::array& dy, const py::array& indices, const py::array& weight,
    int64_t h, int64_t w, int64_t c, int64_t stride_h, int64_t stride_w,
    int64_t pad_top, int64_t pad_left, int64_t dilation_h, int64_t dilation_w,
    int64_t groups, int64_t p, int64_t q, int64_t window_h, int64_t window_w,
    int64_t pool_stride_h, int64_t pool_stride_w, const py::object& out) {
  cpu::ConvMaxPoolBackwardInput b{};
  b.weight = read(weight, "weight", 4);
  cpu::ConvShape d{};
  set_weight(d, weight);
  set_steps(d, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w,
            groups);
  d.n = dy.ndim() ? dy.shape(0) : 0;
  d.h = h, d.w = w, d.c = c, d.p = p, d.q = q;
  b.gradient = gradient(d, dy, indices, window_h, window_w, pool_stride_h,
                        pool_stride_w);
  expect_shape(weight, "weight",
               {d.r, d.s, b.gradient.shape.group_c(), b.gradient.shape.k});
  expect_taps(b.gradient);
  py::array dx = output(out, {d.n, h, w, c});
  b.dx = write(dx, "out", 4);
  call(cpu::conv2d_max_pool2d_backward_input, b);
  return dx;
}

py::tuple conv2d_max_pool2d_backward_weight(
    const py::array& x, const py::array& dy, const py::array& indices,
    int64_t r, int64_t s, int64_t stride_h, int64_t stride_w, int64_t pad_top,
    int64_t pad_left, int64_t dilation_h, int64_t dilation_w, int64_t groups,
    int64_t p, int64_t q, int64_t window_h, int64_t window_w,
    int64_t pool_stride_h, int64_t pool_stride_w) {
  cpu::ConvMaxPoolBackwardWeight b{};
  b.x = read(x, "x", 4);
  cpu::ConvShape d{};
  set_input(d, x);
  set_steps(d, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w,
            groups);
  d.r = r, d.s = s, d.p = p, d.q = q;
  b.gradient = gradient(d, dy, indices, window_h, window_w, pool_stride_h,
                        pool_stride_w);
  expect_taps(b.gradient);
  const cpu::ConvShape& shape = b.gradient.shape;
  py::array dweight = empty({r, s, shape.group_c(), shape.k});
  py::array dbias = empty({shape.k});
  b.dweight = write(dweight, "dweight", 4);
  b.dbias = write(dbias, "dbias", 1);
  call(cpu::conv2d_max_pool2d_backward_weight, b);
  return py::make_tuple(dweight, dbias);
}

}  // namespace

void bind_conv2d_max_pool2d(py::module_& m) {
  using py::arg;
  m.def("conv2d_max_pool2d_backward_input", &conv2d_max_pool2d_backward_input,
        arg("dy"), arg("indices"), arg("weight"), arg("h"), arg("w"), arg("c"),
        arg("stride_h"), arg("stride_w"), arg("pad_top"), arg("pad_left"),
        arg("dilation_h"), arg("dilation_w"), arg("groups"), arg("p"), arg("q"),
        arg("window_h"), arg("window_w"), arg("pool_stride_h"),
        arg("pool_stride_w"), arg("out"));
  m.def("conv2d_max_pool2d_backward_weight", &conv2d_max_pool2d_backward_weight,
        arg("x"), arg("dy"), arg("indices"), arg("r"), arg("s"),
        arg("stride_h"), arg("stride_w"), arg("pad_top"), arg("pad_left"),
        arg("dilation_h"), arg("dilation_w"), arg("groups"), arg("p"), arg("q"),
        arg("window_h"), arg("window_w"), arg("pool_stride_h"),
        arg("pool_stride_w"));
  m.def("conv2d_max_pool2d", &conv2d_max_pool2d, arg("x"), arg("weight"),
        arg("bias"), arg("stride_h"), arg("stride_w"), arg("pad_top"),
        arg("pad_left"), arg("dilation_h"), arg("dilation_w"), arg("groups"),
        arg("p"), arg("q"), arg("activation"), arg("window_h"), arg("window_w"),
        arg("pool_stride_h"), arg("pool_stride_w"));
}

}  // namespace tw::bindings
