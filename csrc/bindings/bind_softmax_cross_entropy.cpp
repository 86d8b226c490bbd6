// Softmax and the loss: labels are checked here once more, for the kernels read
// and write where they point.
#include <pybind11/stl.h>

#include <optional>

#include "bindings/arrays.h"
#include "bindings/loss_arguments.h"
#include "bindings/module.h"
#include "bindings/recorder.h"
#include "cpu/softmax_cross_entropy.h"

namespace tw::bindings {
namespace {

using SoftmaxFunction = void (*)(const cpu::SoftmaxProblem&);

py::array run(SoftmaxFunction function, const py::array& a, const char* name,
              const py::array* saved) {
  cpu::SoftmaxProblem p{};
  p.a = read(a, name, 2);
  p.rows = a.shape(0), p.C = a.shape(1);
  expect(p.C >= 1, "softmax: rows are empty");
  if (saved) {
    p.saved = read(*saved, "y", 2);
    expect(saved->shape(0) == p.rows && saved->shape(1) == p.C,
           "y: expected the shape of dy");
  }
  py::array out = empty({p.rows, p.C});
  p.out = write(out, "out", 2);
  call(function, p);
  return out;
}

py::array softmax(const py::array& x) {
  return run(cpu::softmax, x, "x", nullptr);
}
py::array log_softmax(const py::array& x) {
  return run(cpu::log_softmax, x, "x", nullptr);
}
py::array softmax_backward(const py::array& dy, const py::array& y) {
  return run(cpu::softmax_backward, dy, "dy", &y);
}
py::array log_softmax_backward(const py::array& dy, const py::array& y) {
  return run(cpu::log_softmax_backward, dy, "dy", &y);
}

py::tuple softmax_cross_entropy(const py::array& logits,
                                const py::array& labels, double label_smoothing,
                                std::optional<int64_t> ignore_index,
                                const py::object& class_weight,
                                const std::string& reduction) {
  cpu::SoftmaxCrossEntropy p{};
  p.logits = read(logits, "logits", 2);
  p.rows = logits.shape(0), p.C = logits.shape(1);
  p.labels = read_int64(labels, "labels", 1);
  expect(labels.shape(0) == p.rows, "labels: expected one for each row");
  expect(p.C >= 1, "logits: no classes");
  p.label_smoothing = label_smoothing;
  p.has_ignore_index = ignore_index.has_value();
  p.ignore_index = ignore_index.value_or(0);
  if (!class_weight.is_none())
    p.class_weight = optional(class_weight, "class_weight", {p.C});
  p.reduction = parse_reduction(reduction);
  py::array loss = p.reduction == Reduction::none ? empty({p.rows}) : empty({});
  py::array dlogits = empty({p.rows, p.C});
  p.loss = write(loss, "loss", -1);
  p.dlogits = write(dlogits, "dlogits", 2);
  bool valid = false;
  {
    const py::gil_scoped_release release;
    valid = cpu::labels_valid(p);
  }
  expect(valid, "softmax_cross_entropy: labels out of range");
  call(cpu::softmax_cross_entropy, p);
  return py::make_tuple(std::move(loss), std::move(dlogits));
}

}  // namespace

void bind_softmax_cross_entropy(py::module_& m) {
  using py::arg;
  m.def("softmax", &softmax, arg("x"));
  m.def("log_softmax", &log_softmax, arg("x"));
  m.def("softmax_backward", &softmax_backward, arg("dy"), arg("y"));
  m.def("log_softmax_backward", &log_softmax_backward, arg("dy"), arg("y"));
  m.def("softmax_cross_entropy", &softmax_cross_entropy, arg("logits"),
        arg("labels"), arg("label_smoothing"), arg("ignore_index"),
        arg("class_weight"), arg("reduction"));
}

}  // namespace tw::bindings
