#include <exception>
#include <stdexcept>

#include "bindings/cuda/module.h"

namespace tw::bindings::cuda {
namespace {

namespace py = pybind11;

// Raised with every change of the functions or of their arguments, in step with
// python/tilewright/kernels/cuda_extension.py.
constexpr int kAbi = 6;

// What a kernel does wrong is tilewright's error, not the caller's.
void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const py::builtin_exception&) {
    throw;
  } catch (const std::runtime_error& error) {
    const py::object type =
        py::module_::import("tilewright.errors").attr("KernelError");
    PyErr_SetString(type.ptr(), error.what());
  }
}

}  // namespace

void bind_kernels(py::module_& m) {
  m.attr("abi") = kAbi;
  py::register_local_exception_translator(translate);
  bind_gemm(m);
  bind_conv2d(m);
  bind_pool2d(m);
  bind_batch_norm(m);
  bind_softmax_cross_entropy(m);
  bind_adam(m);
  bind_sgd(m);
  bind_rmsprop(m);
  bind_elementwise(m);
  bind_elementwise_loss(m);
  bind_gradient_clipping(m);
  bind_roofline(m);
}

}  // namespace tw::bindings::cuda
