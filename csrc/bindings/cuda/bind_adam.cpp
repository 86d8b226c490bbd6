#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cuda/adam/adam.h"

namespace tw::bindings::cuda {
namespace {

std::vector<tw::cuda::AdamTensor> adam_tensors(
    const std::vector<int64_t>& sizes, const std::vector<Memory>& params,
    const std::vector<Memory>& grads, const std::vector<Memory>& exp_avg,
    const std::vector<Memory>& exp_avg_sq) {
  for (const auto* list : {&params, &grads, &exp_avg, &exp_avg_sq})
    expect(list->size() == sizes.size(), "adam_step: lists differ in length");
  std::vector<tw::cuda::AdamTensor> tensors;
  tensors.reserve(sizes.size());
  for (size_t i = 0; i < sizes.size(); i++) {
    expect(sizes[i] >= 0, "adam_step: a size is negative");
    tensors.push_back({write(params[i], "params", sizes[i]),
                       read(grads[i], "grads", sizes[i]),
                       write(exp_avg[i], "exp_avg", sizes[i]),
                       write(exp_avg_sq[i], "exp_avg_sq", sizes[i]), sizes[i]});
  }
  return tensors;
}

void adam_step(const std::vector<int64_t>& sizes,
               const std::vector<Memory>& params,
               const std::vector<Memory>& grads,
               const std::vector<Memory>& exp_avg,
               const std::vector<Memory>& exp_avg_sq, int64_t step, double lr,
               double beta1, double beta2, double eps, double weight_decay,
               bool decoupled, bool bias_correction, uintptr_t stream) {
  const tw::cuda::AdamStep s{
      adam_tensors(sizes, params, grads, exp_avg, exp_avg_sq),
      step,
      lr,
      beta1,
      beta2,
      eps,
      weight_decay,
      decoupled,
      bias_correction};
  call([&] { tw::cuda::adam_step(s, stream_of(stream)); });
}

// What adam_step_from reads, as bytes.
py::bytes adam_coefficients(int64_t step, double lr, double beta1, double beta2,
                            double eps, double weight_decay, bool decoupled,
                            bool bias_correction) {
  const tw::cuda::AdamCoefficients c =
      tw::cuda::adam_coefficients({{},
                                   step,
                                   lr,
                                   beta1,
                                   beta2,
                                   eps,
                                   weight_decay,
                                   decoupled,
                                   bias_correction});
  return {reinterpret_cast<const char*>(&c), sizeof(c)};
}

void adam_step_from(const std::vector<int64_t>& sizes,
                    const std::vector<Memory>& params,
                    const std::vector<Memory>& grads,
                    const std::vector<Memory>& exp_avg,
                    const std::vector<Memory>& exp_avg_sq,
                    const Memory& coefficients, uintptr_t stream) {
  const auto tensors = adam_tensors(sizes, params, grads, exp_avg, exp_avg_sq);
  const auto* c =
      access<const tw::cuda::AdamCoefficients>(coefficients, "coefficients", 1);
  call([&] { tw::cuda::adam_step_from(tensors, c, stream_of(stream)); });
}

}  // namespace

void bind_adam(py::module_& m) {
  m.def("adam_step", &adam_step);
  m.def("adam_coefficients", &adam_coefficients);
  m.def("adam_step_from", &adam_step_from);
}

}  // namespace tw::bindings::cuda
