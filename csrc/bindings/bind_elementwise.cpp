#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/recorder.h"
#include "cpu/elementwise.h"

namespace tw::bindings {
namespace {

cpu::Activation parse_kind(const std::string& kind) {
  const cpu::Activation result = parse_activation(kind);
  expect(result != cpu::Activation::none, "activation: kind is none");
  return result;
}

py::array activation(const py::array& x, const std::string& kind,
                     float negative_slope, const py::object& out) {
  cpu::ActivationForward p{};
  p.kind = parse_kind(kind);
  p.negative_slope = negative_slope;
  p.count = x.size();
  p.x = read(x, "x", -1);
  py::array y = output(out, shape_of(x));
  p.y = write(y, "out", -1);
  call(cpu::activation, p);
  return y;
}

py::array activation_backward(const py::array& dy, const py::array& saved,
                              const std::string& kind, float negative_slope,
                              const py::object& out) {
  cpu::ActivationBackward p{};
  p.kind = parse_kind(kind);
  p.negative_slope = negative_slope;
  p.count = dy.size();
  p.dy = read(dy, "dy", -1);
  p.saved = read(saved, "saved", -1);
  expect(saved.size() == dy.size(), "saved: expected as many elements as dy");
  py::array dx = output(out, shape_of(dy));
  p.dx = write(dx, "out", -1);
  call(cpu::activation_backward, p);
  return dx;
}

py::array dropout(const py::array& x, double p, uint64_t seed,
                  uint64_t offset) {
  expect(p >= 0 && p <= 1, "dropout: p is not in [0, 1]");
  const float* src = read(x, "x", -1);
  py::array y = empty(shape_of(x));
  const cpu::Dropout problem{p, seed, offset, x.size(), src, write(y, "y", -1)};
  call(cpu::dropout, problem);
  return y;
}

py::array bias_gradient(const py::array& dy) {
  cpu::BiasGradient p{};
  p.dy = read(dy, "dy", 2);
  p.rows = dy.shape(0), p.k = p.stride = dy.shape(1);
  py::array dbias = empty({p.k});
  p.dbias = write(dbias, "dbias", 1);
  call(cpu::bias_gradient, p);
  return dbias;
}

}  // namespace

void bind_elementwise(py::module_& m) {
  using py::arg;
  m.def("activation", &activation, arg("x"), arg("kind"), arg("negative_slope"),
        arg("out"));
  m.def("activation_backward", &activation_backward, arg("dy"), arg("saved"),
        arg("kind"), arg("negative_slope"), arg("out"));
  m.def("dropout", &dropout, arg("x"), arg("p"), arg("seed"), arg("offset"));
  m.def("bias_gradient", &bias_gradient, arg("dy"));
}

}  // namespace tw::bindings
