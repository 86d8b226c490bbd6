#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cuda/gradient_clipping/gradient_clipping.h"

namespace tw::bindings::cuda {
namespace {

std::vector<tw::cuda::GradientTensor> gradient_tensors(
    const std::vector<int64_t>& sizes, const std::vector<Memory>& grads) {
  expect(grads.size() == sizes.size(), "clipping: lists differ in length");
  std::vector<tw::cuda::GradientTensor> tensors;
  tensors.reserve(sizes.size());
  for (size_t i = 0; i < sizes.size(); i++) {
    expect(sizes[i] >= 0, "clipping: a size is negative");
    tensors.push_back({write(grads[i], "grads", sizes[i]), sizes[i]});
  }
  return tensors;
}

void clip_by_norm(const std::vector<int64_t>& sizes,
                  const std::vector<Memory>& grads, double max_norm,
                  const Memory& norm, const py::function& allocate,
                  uintptr_t stream) {
  const tw::cuda::ClipByNorm p{gradient_tensors(sizes, grads), max_norm,
                               access<double>(norm, "norm", 1)};
  const Workspace workspace(allocate, tw::cuda::clip_by_norm_workspace(p));
  call([&] { tw::cuda::clip_by_norm(p, workspace.data(), stream_of(stream)); });
}

void clip_by_value(const std::vector<int64_t>& sizes,
                   const std::vector<Memory>& grads, float limit,
                   uintptr_t stream) {
  const auto tensors = gradient_tensors(sizes, grads);
  call([&] { tw::cuda::clip_by_value(tensors, limit, stream_of(stream)); });
}

}  // namespace

void bind_gradient_clipping(py::module_& m) {
  m.def("clip_by_norm", &clip_by_norm);
  m.def("clip_by_value", &clip_by_value);
}

}  // namespace tw::bindings::cuda
