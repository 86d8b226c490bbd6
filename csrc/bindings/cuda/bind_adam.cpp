#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cuda/adam/adam.h"

namespace tw::bindings::cuda {
namespace {

void adam_step(const std::vector<int64_t>& sizes,
               const std::vector<Memory>& params,
               const std::vector<Memory>& grads,
               const std::vector<Memory>& exp_avg,
               const std::vector<Memory>& exp_avg_sq, int64_t step, double lr,
               double beta1, double beta2, double eps, double weight_decay,
               bool decoupled, bool bias_correction, uintptr_t stream) {
  for (const auto* list : {&params, &grads, &exp_avg, &exp_avg_sq})
    expect(list->size() == sizes.size(), "adam_step: lists differ in length");
  tw::cuda::AdamStep s{{},  step,         lr,        beta1,          beta2,
                       eps, weight_decay, decoupled, bias_correction};
  s.tensors.reserve(sizes.size());
  for (size_t i = 0; i < sizes.size(); i++) {
    expect(sizes[i] >= 0, "adam_step: a size is negative");
    s.tensors.push_back({write(params[i], "params", sizes[i]),
                         read(grads[i], "grads", sizes[i]),
                         write(exp_avg[i], "exp_avg", sizes[i]),
                         write(exp_avg_sq[i], "exp_avg_sq", sizes[i]),
                         sizes[i]});
  }
  call([&] { tw::cuda::adam_step(s, stream_of(stream)); });
}

}  // namespace

void bind_adam(py::module_& m) { m.def("adam_step", &adam_step); }

}  // namespace tw::bindings::cuda
