// The extension tilewright._cuda: the kernels on GPUs. It loads on every
// machine; unavailable_reason says whether it can do anything there.
#include "bindings/cuda/module.h"
#include "cuda/runtime.h"

// Raised with every change of the functions' arguments, in step with
// python/tilewright/kernels/backends/cuda.py.
constexpr int kAbi = 2;

PYBIND11_MODULE(_cuda, m) {
  m.doc() = "CUDA kernels of tilewright; use them through tilewright.kernels.";
  m.attr("abi") = kAbi;
  m.attr("architectures") = TILEWRIGHT_CUDA_ARCHITECTURES;
  m.def("unavailable_reason", &tw::cuda::unavailable_reason);
  m.def("runtime_text", &tw::cuda::runtime_text);
  tw::bindings::cuda::bind_kernels(m);
}
