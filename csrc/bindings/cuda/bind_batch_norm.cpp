#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cuda/batch_norm/batch_norm.h"

namespace tw::bindings::cuda {
namespace {

using OptionalMemory = std::optional<Memory>;

bool parse_relu(const std::string& activation) {
  if (activation == "relu") return true;
  expect(activation == "none", "batch_norm: activation is none nor relu");
  return false;
}

// Only read in evaluation.
float* running(const OptionalMemory& memory, const char* name, int64_t C,
               bool training) {
  if (!memory) return nullptr;
  return training ? write(*memory, name, C)
                  : const_cast<float*>(read(*memory, name, C));
}

void batch_norm(int64_t rows, int64_t C, const Memory& x,
                const OptionalMemory& weight, const OptionalMemory& bias,
                const OptionalMemory& running_mean,
                const OptionalMemory& running_var, bool training,
                double momentum, double eps, bool unbiased,
                const std::string& activation, const Memory& y,
                const Memory& saved, const py::function& allocate,
                uintptr_t stream) {
  const int64_t count = product({rows, C});
  expect(running_mean.has_value() == running_var.has_value(),
         "batch_norm: one running array without the other");
  expect(training ? rows >= 1 : running_mean.has_value(),
         "batch_norm: there is nothing to normalize by");
  BatchNormForward p{};
  p.rows = rows, p.C = C;
  p.x = read(x, "x", count);
  p.weight = optional(weight, "weight", C);
  p.bias = optional(bias, "bias", C);
  p.running_mean = running(running_mean, "running_mean", C, training);
  p.running_var = running(running_var, "running_var", C, training);
  p.training = training, p.momentum = momentum, p.eps = eps;
  p.unbiased = unbiased, p.relu = parse_relu(activation);
  p.y = write(y, "y", count);
  p.saved = write(saved, "saved", product({3, C}));
  const Workspace workspace(allocate, tw::cuda::batch_norm_workspace(p));
  call([&] { tw::cuda::batch_norm(p, workspace.data(), stream_of(stream)); });
}

void batch_norm_backward(int64_t rows, int64_t C, const Memory& dy,
                         const Memory& x, const Memory& saved,
                         const OptionalMemory& weight,
                         const OptionalMemory& bias, bool training,
                         const std::string& activation, const Memory& dx,
                         const Memory& dweight, const Memory& dbias,
                         const py::function& allocate, uintptr_t stream) {
  const int64_t count = product({rows, C});
  BatchNormBackward p{};
  p.rows = rows, p.C = C;
  p.dy = read(dy, "dy", count);
  p.x = read(x, "x", count);
  p.saved = read(saved, "saved", product({3, C}));
  p.weight = optional(weight, "weight", C);
  p.bias = optional(bias, "bias", C);
  p.training = training, p.relu = parse_relu(activation);
  p.dx = write(dx, "out", count);
  p.dweight = write(dweight, "dweight", C);
  p.dbias = write(dbias, "dbias", C);
  const Workspace workspace(allocate,
                            tw::cuda::batch_norm_backward_workspace(p));
  call([&] {
    tw::cuda::batch_norm_backward(p, workspace.data(), stream_of(stream));
  });
}

}  // namespace

void bind_batch_norm(py::module_& m) {
  m.def("batch_norm", &batch_norm);
  m.def("batch_norm_backward", &batch_norm_backward);
}

}  // namespace tw::bindings::cuda
