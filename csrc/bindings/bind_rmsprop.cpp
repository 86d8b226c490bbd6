#include <pybind11/stl.h>

#include <optional>

#include "bindings/array_lists.h"
#include "bindings/module.h"
#include "bindings/recorder.h"
#include "cpu/rmsprop.h"

namespace tw::bindings {
namespace {

using OptionalList = std::optional<py::list>;

void run(const py::list& params, const py::list& grads, const py::list& squares,
         const char* squares_name, const OptionalList& means,
         const OptionalList& momenta, const RmspropCoefficients& c) {
  const ArrayList p(params, "params", true), g(grads, "grads", false);
  const ArrayList s(squares, squares_name, true);
  std::optional<ArrayList> a, b;
  if (means) a.emplace(*means, "grad_avg", true);
  if (momenta) b.emplace(*momenta, "momentum_buffers", true);
  for (const ArrayList* list : {&g, &s, a ? &*a : &s, b ? &*b : &s})
    list->expect_count(p.count());

  cpu::RmspropStep step{{}, c};
  step.tensors.reserve(p.count());
  int64_t offset = 0;
  for (size_t i = 0; i < p.count(); i++) {
    const auto [param, size] = p[i];
    step.tensors.push_back({{param, g.of_size(i, size), s.of_size(i, size),
                             a ? a->of_size(i, size) : nullptr,
                             b ? b->of_size(i, size) : nullptr, size},
                            offset});
    offset += size;
  }
  call(cpu::rmsprop_step, step);
}

void rmsprop_step(const py::list& params, const py::list& grads,
                  const py::list& square_avg, const OptionalList& grad_avg,
                  const OptionalList& momentum_buffers, double lr, double alpha,
                  double eps, double weight_decay, double momentum,
                  bool eps_in_root) {
  run(params, grads, square_avg, "square_avg", grad_avg, momentum_buffers,
      rmsprop_coefficients(lr, alpha, eps, weight_decay, momentum,
                           eps_in_root));
}

void adagrad_step(const py::list& params, const py::list& grads,
                  const py::list& sums, double lr, double eps,
                  double weight_decay, bool eps_in_root) {
  run(params, grads, sums, "sums", {}, {},
      adagrad_coefficients(lr, eps, weight_decay, eps_in_root));
}

}  // namespace

void bind_rmsprop(py::module_& m) {
  using py::arg;
  m.def("rmsprop_step", &rmsprop_step, arg("params"), arg("grads"),
        arg("square_avg"), arg("grad_avg"), arg("momentum_buffers"), arg("lr"),
        arg("alpha"), arg("eps"), arg("weight_decay"), arg("momentum"),
        arg("eps_in_root"));
  m.def("adagrad_step", &adagrad_step, arg("params"), arg("grads"), arg("sums"),
        arg("lr"), arg("eps"), arg("weight_decay"), arg("eps_in_root"));
}

}  // namespace tw::bindings
