#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/recorder.h"
#include "cpu/gemm.h"

namespace tw::bindings {
namespace {

constexpr int64_t kTiny = 1 << 16;  // multiplications: 2 us at most

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
  if (p.m * p.n <= kTiny && p.m * p.n * p.k <= kTiny)
    call_locked(cpu::gemm, p);
  else
    call(cpu::gemm, p);
  return c;
}

// Elements that need no check whether their bytes can be counted.
constexpr int64_t kSmall = int64_t{1} << 40;

// The product if the arguments are as the interface would pass them on, else
// None.
py::object quick_gemm(const py::object& a, const py::object& b,
                      const py::object& transpose_a,
                      const py::object& transpose_b, const py::object& bias,
                      const std::string& activation) {
  const auto flag = [](const py::object& value) {
    return value.ptr() == Py_True || value.ptr() == Py_False;
  };
  if (!plain(a, 2) || !plain(b, 2) || !flag(transpose_a) ||
      !flag(transpose_b) || !(bias.is_none() || plain(bias, 1)))
    return py::none();
  const auto left = py::reinterpret_borrow<py::array>(a);
  const auto right = py::reinterpret_borrow<py::array>(b);
  const bool turn_a = transpose_a.ptr() == Py_True;
  const bool turn_b = transpose_b.ptr() == Py_True;
  const int64_t m = left.shape(turn_a ? 1 : 0);
  const int64_t n = right.shape(turn_b ? 0 : 1);
  const bool agree =
      left.shape(turn_a ? 0 : 1) == right.shape(turn_b ? 1 : 0) &&
      (bias.is_none() || py::reinterpret_borrow<py::array>(bias).shape(0) == n);
  if (!agree || (m > 0 && n > kSmall / m)) return py::none();
  return gemm(left, right, turn_a, turn_b, bias, activation, py::none(), false);
}

}  // namespace

void bind_gemm(py::module_& m) {
  m.def("gemm", &gemm, py::arg("a"), py::arg("b"), py::arg("transpose_a"),
        py::arg("transpose_b"), py::arg("bias"), py::arg("activation"),
        py::arg("out"), py::arg("accumulate"));
  m.def("quick_gemm", &quick_gemm, py::arg("a"), py::arg("b"),
        py::arg("transpose_a"), py::arg("transpose_b"), py::arg("bias"),
        py::arg("activation"));
}

}  // namespace tw::bindings
