#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/recorder.h"
#include "cpu/batch_norm.h"

namespace tw::bindings {
namespace {

// Only read in evaluation.
float* running(const py::object& array, const char* name, int64_t C,
               bool training) {
  const float* data = optional(array, name, {C});
  return data && training ? write(array.cast<py::array>(), name, 1)
                          : const_cast<float*>(data);
}

bool parse_relu(const std::string& activation) {
  if (activation == "relu") return true;
  expect(activation == "none", "batch_norm: activation is none nor relu");
  return false;
}

py::tuple batch_norm(const py::array& x, const py::object& weight,
                     const py::object& bias, const py::object& running_mean,
                     const py::object& running_var, bool training,
                     double momentum, double eps, bool unbiased,
                     const std::string& activation) {
  BatchNormForward p{};
  p.x = read(x, "x", 2);
  p.rows = x.shape(0), p.C = x.shape(1);
  p.weight = optional(weight, "weight", {p.C});
  p.bias = optional(bias, "bias", {p.C});
  p.running_mean = running(running_mean, "running_mean", p.C, training);
  p.running_var = running(running_var, "running_var", p.C, training);
  expect((p.running_mean == nullptr) == (p.running_var == nullptr),
         "batch_norm: one running array without the other");
  expect(training ? p.rows >= 1 : p.running_mean != nullptr,
         "batch_norm: there is nothing to normalize by");
  p.training = training, p.momentum = momentum, p.eps = eps;
  p.unbiased = unbiased, p.relu = parse_relu(activation);
  py::array y = empty({p.rows, p.C}), saved = empty({3, p.C});
  p.y = write(y, "y", 2);
  p.saved = write(saved, "saved", 2);
  call(cpu::batch_norm, p);
  return py::make_tuple(y, saved);
}

py::tuple batch_norm_backward(const py::array& dy, const py::array& x,
                              const py::array& saved, const py::object& weight,
                              const py::object& bias, bool training,
                              const std::string& activation,
                              const py::object& out) {
  BatchNormBackward p{};
  p.dy = read(dy, "dy", 2);
  p.rows = dy.shape(0), p.C = dy.shape(1);
  p.x = read(x, "x", 2);
  expect_shape(x, "x", {p.rows, p.C});
  p.saved = read(saved, "saved", 2);
  expect_shape(saved, "saved", {3, p.C});
  p.weight = optional(weight, "weight", {p.C});
  p.bias = optional(bias, "bias", {p.C});
  p.training = training, p.relu = parse_relu(activation);
  py::array dx = output(out, {p.rows, p.C});
  py::array dweight = empty({p.C}), dbias = empty({p.C});
  p.dx = write(dx, "out", 2);
  p.dweight = write(dweight, "dweight", 1);
  p.dbias = write(dbias, "dbias", 1);
  call(cpu::batch_norm_backward, p);
  return py::make_tuple(dx, dweight, dbias);
}

}  // namespace

void bind_batch_norm(py::module_& m) {
  using py::arg;
  m.def("batch_norm", &batch_norm, arg("x"), arg("weight"), arg("bias"),
        arg("running_mean"), arg("running_var"), arg("training"),
        arg("momentum"), arg("eps"), arg("unbiased"), arg("activation"));
  m.def("batch_norm_backward", &batch_norm_backward, arg("dy"), arg("x"),
        arg("saved"), arg("weight"), arg("bias"), arg("training"),
        arg("activation"), arg("out"));
}

}  // namespace tw::bindings
