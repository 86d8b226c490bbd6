#include <pybind11/stl.h>

#include <optional>

#include "bindings/array_lists.h"
#include "bindings/module.h"
#include "bindings/recorder.h"
#include "cpu/sgd.h"

namespace tw::bindings {
namespace {

void sgd_step(const py::list& params, const py::list& grads,
              const std::optional<py::list>& momentum_buffers, double lr,
              double momentum, bool nesterov, double weight_decay) {
  const ArrayList p(params, "params", true), g(grads, "grads", false);
  g.expect_count(p.count());
  std::optional<ArrayList> buffers;
  if (momentum_buffers) {
    buffers.emplace(*momentum_buffers, "momentum_buffers", true);
    buffers->expect_count(p.count());
  }

  cpu::SgdStep s{{}, lr, momentum, weight_decay, nesterov};
  s.tensors.reserve(p.count());
  int64_t offset = 0;
  for (size_t i = 0; i < p.count(); i++) {
    const FloatSpan param = p[i];
    s.tensors.push_back({param.data, g.of_size(i, param.size),
                         buffers ? buffers->of_size(i, param.size) : nullptr,
                         param.size, offset});
    offset += param.size;
  }
  call(cpu::sgd_step, s);
}

}  // namespace

void bind_sgd(py::module_& m) {
  using py::arg;
  m.def("sgd_step", &sgd_step, arg("params"), arg("grads"),
        arg("momentum_buffers"), arg("lr"), arg("momentum"), arg("nesterov"),
        arg("weight_decay"));
}

}  // namespace tw::bindings
