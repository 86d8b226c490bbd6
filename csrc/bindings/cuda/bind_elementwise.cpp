#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cuda/elementwise/elementwise.h"

namespace tw::bindings::cuda {
namespace {

Activation parse_kind(const std::string& kind) {
  const Activation result = parse_activation(kind);
  expect(result != Activation::none, "activation: kind is none");
  return result;
}

void activation(int64_t count, const Memory& x, const std::string& kind,
                float negative_slope, const Memory& y, uintptr_t stream) {
  const tw::cuda::ActivationForward p{parse_kind(kind), negative_slope, count,
                                      read(x, "x", product({count})),
                                      write(y, "out", count)};
  call([&] { tw::cuda::activation(p, stream_of(stream)); });
}

void activation_backward(int64_t count, const Memory& dy, const Memory& saved,
                         const std::string& kind, float negative_slope,
                         const Memory& dx, uintptr_t stream) {
  const tw::cuda::ActivationBackward p{parse_kind(kind),
                                       negative_slope,
                                       count,
                                       read(dy, "dy", product({count})),
                                       read(saved, "saved", count),
                                       write(dx, "out", count)};
  call([&] { tw::cuda::activation_backward(p, stream_of(stream)); });
}

void dropout(int64_t count, const Memory& x, double p, uint64_t seed,
             uint64_t offset, const Memory& y, uintptr_t stream) {
  expect(p >= 0 && p <= 1, "dropout: p is not in [0, 1]");
  const tw::cuda::Dropout problem{p,
                                  seed,
                                  offset,
                                  count,
                                  read(x, "x", product({count})),
                                  write(y, "y", count)};
  call([&] { tw::cuda::dropout(problem, stream_of(stream)); });
}

void bias_gradient(int64_t rows, int64_t k, const Memory& dy,
                   const Memory& dbias, const py::function& allocate,
                   uintptr_t stream) {
  const tw::cuda::BiasGradient b{read(dy, "dy", product({rows, k})), rows, k,
                                 write(dbias, "dbias", k)};
  const Workspace workspace(allocate, tw::cuda::bias_gradient_workspace(b));
  call(
      [&] { tw::cuda::bias_gradient(b, workspace.data(), stream_of(stream)); });
}

}  // namespace

void bind_elementwise(py::module_& m) {
  m.def("activation", &activation);
  m.def("activation_backward", &activation_backward);
  m.def("dropout", &dropout);
  m.def("bias_gradient", &bias_gradient);
}

}  // namespace tw::bindings::cuda
