#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/recorder.h"
#include "cpu/gemm.h"

namespace tw::bindings {
namespace {

py::array gemm(const py::array& a, const py::array& b, bool transpose_a,
               bool transpose_b, const py::object& bias,
               const std::string& activation, const py::object& out,
               bool accumulate) {
  cpu::GemmProblem p{};
  p.a = read(a, "a", 2);
  p.b = read(b, "b", 2);
  p.m = a.shape(transpose_a ? 1 : 0);
  p.k = a.shape(transpose_a ? 0 : 1);
  p.n = b.shape(transpose_b ? 0 : 1);
  expect(b.shape(transpose_b ? 1 : 0) == p.k, "gemm: inner sizes differ");
  expect(!accumulate || !out.is_none(), "gemm: accumulate needs out");
  p.transpose_a = transpose_a;
  p.transpose_b = transpose_b;
  p.bias = optional(bias, "bias", {p.n});
  p.activation = parse_activation(activation);
  p.accumulate = accumulate;
  py::array c = output(out, {p.m, p.n});
  p.c = write(c, "out", 2);
  call(cpu::gemm, p);
  return c;
}

}  // namespace

void bind_gemm(py::module_& m) {
  m.def("gemm", &gemm, py::arg("a"), py::arg("b"), py::arg("transpose_a"),
        py::arg("transpose_b"), py::arg("bias"), py::arg("activation"),
        py::arg("out"), py::arg("accumulate"));
}

}  // namespace tw::bindings
