#include "bindings/arrays.h"
#include "bindings/loss_arguments.h"
#include "bindings/module.h"
#include "bindings/recorder.h"
#include "cpu/elementwise_loss.h"

namespace tw::bindings {
namespace {

py::tuple elementwise_loss(const py::array& x, const py::array& target,
                           const std::string& kind,
                           const std::string& reduction, float delta) {
  ElementwiseLoss p{};
  p.kind = parse_loss_kind(kind);
  p.delta = delta;
  p.reduction = parse_reduction(reduction);
  p.count = x.size();
  p.x = read(x, "x", -1);
  p.target = read(target, "target", -1);
  const Shape shape = shape_of(x);
  expect_shape(target, "target", shape);
  py::array loss = empty(p.reduction == Reduction::none ? shape : Shape{});
  py::array dx = empty(shape);
  p.loss = write(loss, "loss", -1);
  p.dx = write(dx, "dx", -1);
  call(cpu::elementwise_loss, p);
  return py::make_tuple(std::move(loss), std::move(dx));
}

}  // namespace

void bind_elementwise_loss(py::module_& m) {
  using py::arg;
  m.def("elementwise_loss", &elementwise_loss, arg("x"), arg("target"),
        arg("kind"), arg("reduction"), arg("delta"));
}

}  // namespace tw::bindings
