#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cuda/sgd/sgd.h"

namespace tw::bindings::cuda {
namespace {

void sgd_step(const std::vector<int64_t>& sizes,
              const std::vector<Memory>& params,
              const std::vector<Memory>& grads,
              const std::optional<std::vector<Memory>>& momentum_buffers,
              double lr, double momentum, bool nesterov, double weight_decay,
              uintptr_t stream) {
  expect(params.size() == sizes.size() && grads.size() == sizes.size() &&
             (!momentum_buffers || momentum_buffers->size() == sizes.size()),
         "sgd_step: lists differ in length");
  tw::cuda::SgdStep s{{}, lr, momentum, weight_decay, nesterov};
  s.tensors.reserve(sizes.size());
  for (size_t i = 0; i < sizes.size(); i++) {
    expect(sizes[i] >= 0, "sgd_step: a size is negative");
    s.tensors.push_back({write(params[i], "params", sizes[i]),
                         read(grads[i], "grads", sizes[i]),
                         momentum_buffers ? write((*momentum_buffers)[i],
                                                  "momentum_buffers", sizes[i])
                                          : nullptr,
                         sizes[i]});
  }
  call([&] { tw::cuda::sgd_step(s, stream_of(stream)); });
}

}  // namespace

void bind_sgd(py::module_& m) { m.def("sgd_step", &sgd_step); }

}  // namespace tw::bindings::cuda
