#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cuda/sgd/sgd.h"

namespace tw::bindings::cuda {
namespace {

std::vector<tw::cuda::SgdTensor> sgd_tensors(
    const std::vector<int64_t>& sizes, const std::vector<Memory>& params,
    const std::vector<Memory>& grads,
    const std::optional<std::vector<Memory>>& momentum_buffers) {
  expect(params.size() == sizes.size() && grads.size() == sizes.size() &&
             (!momentum_buffers || momentum_buffers->size() == sizes.size()),
         "sgd_step: lists differ in length");
  std::vector<tw::cuda::SgdTensor> tensors;
  tensors.reserve(sizes.size());
  for (size_t i = 0; i < sizes.size(); i++) {
    expect(sizes[i] >= 0, "sgd_step: a size is negative");
    tensors.push_back({write(params[i], "params", sizes[i]),
                       read(grads[i], "grads", sizes[i]),
                       momentum_buffers ? write((*momentum_buffers)[i],
                                                "momentum_buffers", sizes[i])
                                        : nullptr,
                       sizes[i]});
  }
  return tensors;
}

void sgd_step(const std::vector<int64_t>& sizes,
              const std::vector<Memory>& params,
              const std::vector<Memory>& grads,
              const std::optional<std::vector<Memory>>& momentum_buffers,
              double lr, double momentum, bool nesterov, double weight_decay,
              uintptr_t stream) {
  const tw::cuda::SgdStep s{sgd_tensors(sizes, params, grads, momentum_buffers),
                            lr, momentum, weight_decay, nesterov};
  call([&] { tw::cuda::sgd_step(s, stream_of(stream)); });
}

// What sgd_step_from reads, as bytes.
py::bytes sgd_coefficients(double lr, double momentum, double weight_decay,
                           bool nesterov) {
  const tw::cuda::SgdCoefficients c =
      tw::cuda::sgd_coefficients({{}, lr, momentum, weight_decay, nesterov});
  return {reinterpret_cast<const char*>(&c), sizeof(c)};
}

void sgd_step_from(const std::vector<int64_t>& sizes,
                   const std::vector<Memory>& params,
                   const std::vector<Memory>& grads,
                   const std::optional<std::vector<Memory>>& momentum_buffers,
                   const Memory& coefficients, uintptr_t stream) {
  const auto tensors = sgd_tensors(sizes, params, grads, momentum_buffers);
  const auto* c =
      access<const tw::cuda::SgdCoefficients>(coefficients, "coefficients", 1);
  call([&] { tw::cuda::sgd_step_from(tensors, c, stream_of(stream)); });
}

}  // namespace

void bind_sgd(py::module_& m) {
  m.def("sgd_step", &sgd_step);
  m.def("sgd_coefficients", &sgd_coefficients);
  m.def("sgd_step_from", &sgd_step_from);
}

}  // namespace tw::bindings::cuda
