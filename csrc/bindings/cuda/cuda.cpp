// The extension tilewright._cuda: the kernels on GPUs. It loads on every
// machine; unavailable_reason says whether it can do anything there.
#include "bindings/cuda/module.h"
#include "cuda/runtime.h"

namespace {

// (name, (major, minor) of the compute capability) of each GPU.
pybind11::list gpus() {
  pybind11::list found;
  for (const tw::cuda::Gpu& gpu : tw::cuda::gpus())
    found.append(pybind11::make_tuple(
        gpu.name, pybind11::make_tuple(gpu.major, gpu.minor)));
  return found;
}

}  // namespace

PYBIND11_MODULE(_cuda, m) {
  m.doc() = "CUDA kernels of tilewright; use them through tilewright.kernels.";
  m.attr("version") = TILEWRIGHT_VERSION;
  m.attr("architectures") = TILEWRIGHT_CUDA_ARCHITECTURES;
  m.def("gpus", &gpus);
  m.def("unavailable_reason", &tw::cuda::unavailable_reason);
  m.def("runtime_text", &tw::cuda::runtime_text);
  tw::bindings::cuda::bind_kernels(m);
}
