#include "bindings/array_lists.h"
#include "bindings/module.h"
#include "bindings/recorder.h"
#include "cpu/adam.h"

namespace tw::bindings {
namespace {

void adam_step(const py::list& params, const py::list& grads,
               const py::list& exp_avg, const py::list& exp_avg_sq,
               int64_t step, double lr, double beta1, double beta2, double eps,
               double weight_decay, bool decoupled, bool bias_correction) {
  const ArrayList p(params, "params", true), g(grads, "grads", false);
  const ArrayList m(exp_avg, "exp_avg", true);
  const ArrayList v(exp_avg_sq, "exp_avg_sq", true);
  for (const ArrayList* list : {&g, &m, &v}) list->expect_count(p.count());

  cpu::AdamStep s{{},  step,         lr,        beta1,          beta2,
                  eps, weight_decay, decoupled, bias_correction};
  s.tensors.reserve(p.count());
  int64_t offset = 0;
  for (size_t i = 0; i < p.count(); i++) {
    const FloatSpan param = p[i];
    s.tensors.push_back({param.data, g.of_size(i, param.size),
                         m.of_size(i, param.size), v.of_size(i, param.size),
                         param.size, offset});
    offset += param.size;
  }
  call(cpu::adam_step, s);
}

}  // namespace

void bind_adam(py::module_& m) {
  using py::arg;
  m.def("adam_step", &adam_step, arg("params"), arg("grads"), arg("exp_avg"),
        arg("exp_avg_sq"), arg("step"), arg("lr"), arg("beta1"), arg("beta2"),
        arg("eps"), arg("weight_decay"), arg("decoupled"),
        arg("bias_correction"));
}

}  // namespace tw::bindings
