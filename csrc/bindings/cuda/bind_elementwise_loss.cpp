#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "bindings/loss_arguments.h"
#include "cuda/elementwise_loss/elementwise_loss.h"

namespace tw::bindings::cuda {
namespace {

void elementwise_loss(int64_t count, const Memory& x, const Memory& target,
                      const std::string& kind, const std::string& reduction,
                      float delta, const Memory& loss, const Memory& dx,
                      const py::function& allocate, uintptr_t stream) {
  ElementwiseLoss p{};
  p.kind = parse_loss_kind(kind);
  p.delta = delta;
  p.reduction = parse_reduction(reduction);
  p.count = product({count});
  p.x = read(x, "x", count);
  p.target = read(target, "target", count);
  p.loss = write(loss, "loss", p.reduction == Reduction::none ? count : 1);
  p.dx = write(dx, "dx", count);
  const Workspace workspace(allocate, tw::cuda::elementwise_loss_workspace(p));
  call([&] {
    tw::cuda::elementwise_loss(p, workspace.data(), stream_of(stream));
  });
}

}  // namespace

void bind_elementwise_loss(py::module_& m) {
  m.def("elementwise_loss", &elementwise_loss);
}

}  // namespace tw::bindings::cuda
