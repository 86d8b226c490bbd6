#include "bindings/array_lists.h"
#include "bindings/module.h"
#include "bindings/recorder.h"
#include "cpu/gradient_clipping.h"

namespace tw::bindings {
namespace {

std::vector<cpu::GradientTensor> gradient_tensors(const py::list& grads) {
  const ArrayList list(grads, "grads", true);
  std::vector<cpu::GradientTensor> tensors;
  tensors.reserve(list.count());
  int64_t offset = 0;
  for (size_t i = 0; i < list.count(); i++) {
    const FloatSpan grad = list[i];
    tensors.push_back({grad.data, grad.size, offset});
    offset += grad.size;
  }
  return tensors;
}

double clip_by_norm(const py::list& grads, double max_norm) {
  double norm = 0;
  cpu::ClipByNorm p{gradient_tensors(grads), max_norm, &norm};
  {
    const py::gil_scoped_release release;
    cpu::clip_by_norm(p);
  }
  p.norm = nullptr;  // a replay has nobody to tell
  record(cpu::clip_by_norm, p);
  return norm;
}

void clip_by_value(const py::list& grads, float limit) {
  const cpu::ClipByValue p{gradient_tensors(grads), limit};
  call(cpu::clip_by_value, p);
}

}  // namespace

void bind_gradient_clipping(py::module_& m) {
  using py::arg;
  m.def("clip_by_norm", &clip_by_norm, arg("grads"), arg("max_norm"));
  m.def("clip_by_value", &clip_by_value, arg("grads"), arg("limit"));
}

}  // namespace tw::bindings
