#include <cstring>

#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cuda/rmsprop/rmsprop.h"

namespace tw::bindings::cuda {
namespace {

using List = std::vector<Memory>;
using OptionalList = std::optional<List>;

std::vector<RmspropArrays> tensors_of(const std::vector<int64_t>& sizes,
                                      const List& params, const List& grads,
                                      const List& square_avg,
                                      const OptionalList& grad_avg,
                                      const OptionalList& momentum_buffers) {
  for (const auto* list :
       {&params, &grads, &square_avg, grad_avg ? &*grad_avg : &params,
        momentum_buffers ? &*momentum_buffers : &params})
    expect(list->size() == sizes.size(),
           "rmsprop_step: lists differ in length");
  std::vector<RmspropArrays> tensors;
  tensors.reserve(sizes.size());
  for (size_t i = 0; i < sizes.size(); i++) {
    const int64_t size = sizes[i];
    const auto optional = [&](const OptionalList& list, const char* name) {
      return list ? write((*list)[i], name, size) : nullptr;
    };
    expect(size >= 0, "rmsprop_step: a size is negative");
    tensors.push_back({write(params[i], "params", size),
                       read(grads[i], "grads", size),
                       write(square_avg[i], "square_avg", size),
                       optional(grad_avg, "grad_avg"),
                       optional(momentum_buffers, "momentum_buffers"), size});
  }
  return tensors;
}

// Coefficients as bytes: what rmsprop_step takes and rmsprop_step_from reads.
py::bytes bytes_of(const RmspropCoefficients& c) {
  return {reinterpret_cast<const char*>(&c), sizeof(c)};
}

py::bytes rmsprop(double lr, double alpha, double eps, double weight_decay,
                  double momentum, bool eps_in_root) {
  return bytes_of(rmsprop_coefficients(lr, alpha, eps, weight_decay, momentum,
                                       eps_in_root));
}

py::bytes adagrad(double lr, double eps, double weight_decay,
                  bool eps_in_root) {
  return bytes_of(adagrad_coefficients(lr, eps, weight_decay, eps_in_root));
}

void rmsprop_step(const std::vector<int64_t>& sizes, const List& params,
                  const List& grads, const List& square_avg,
                  const OptionalList& grad_avg,
                  const OptionalList& momentum_buffers,
                  const std::string& coefficients, uintptr_t stream) {
  const auto tensors =
      tensors_of(sizes, params, grads, square_avg, grad_avg, momentum_buffers);
  RmspropCoefficients c;
  expect(coefficients.size() == sizeof(c), "rmsprop_step: wrong coefficients");
  std::memcpy(&c, coefficients.data(), sizeof(c));
  call([&] { tw::cuda::rmsprop_step(tensors, c, stream_of(stream)); });
}

void rmsprop_step_from(const std::vector<int64_t>& sizes, const List& params,
                       const List& grads, const List& square_avg,
                       const OptionalList& grad_avg,
                       const OptionalList& momentum_buffers,
                       const Memory& coefficients, uintptr_t stream) {
  const auto tensors =
      tensors_of(sizes, params, grads, square_avg, grad_avg, momentum_buffers);
  const auto* c =
      access<const RmspropCoefficients>(coefficients, "coefficients", 1);
  call([&] { tw::cuda::rmsprop_step_from(tensors, c, stream_of(stream)); });
}

}  // namespace

void bind_rmsprop(py::module_& m) {
  m.def("rmsprop_coefficients", &rmsprop);
  m.def("adagrad_coefficients", &adagrad);
  m.def("rmsprop_step", &rmsprop_step);
  m.def("rmsprop_step_from", &rmsprop_step_from);
}

}  // namespace tw::bindings::cuda
