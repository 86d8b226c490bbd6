#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "bindings/loss_arguments.h"
#include "cuda/softmax_cross_entropy/linear_softmax_cross_entropy.h"

namespace tw::bindings::cuda {
namespace {

using tw::cuda::SoftmaxPass;

void softmax(const std::string& pass, int64_t rows, int64_t C, const Memory& a,
             const std::optional<Memory>& saved, const Memory& out,
             uintptr_t stream) {
  const int64_t count = product({rows, C});
  expect(C >= 1, "softmax: rows are empty");
  tw::cuda::SoftmaxProblem p{};
  p.rows = rows, p.C = C;
  p.a = read(a, "x", count);
  p.saved = optional(saved, "y", count);
  p.out = write(out, "out", count);
  if (pass == "softmax") {
    p.pass = SoftmaxPass::softmax;
  } else if (pass == "log_softmax") {
    p.pass = SoftmaxPass::log_softmax;
  } else if (pass == "softmax_backward") {
    p.pass = SoftmaxPass::backward;
  } else {
    expect(pass == "log_softmax_backward", "softmax: unknown pass");
    p.pass = SoftmaxPass::log_backward;
  }
  const bool backward =
      p.pass == SoftmaxPass::backward || p.pass == SoftmaxPass::log_backward;
  expect(backward == (p.saved != nullptr), "softmax: y is for gradients");
  call([&] { tw::cuda::softmax(p, stream_of(stream)); });
}

void softmax_cross_entropy(int64_t rows, int64_t C, const Memory& logits,
                           const Memory& labels, double label_smoothing,
                           std::optional<int64_t> ignore_index,
                           const std::optional<Memory>& class_weight,
                           const std::string& reduction, const Memory& loss,
                           const Memory& dlogits, const py::function& allocate,
                           uintptr_t stream) {
  expect(C >= 1, "logits: no classes");
  const int64_t count = product({rows, C});
  tw::cuda::SoftmaxCrossEntropy p{};
  p.rows = rows, p.C = C;
  p.logits = read(logits, "logits", count);
  p.labels = access<const int64_t>(labels, "labels", rows);
  p.label_smoothing = label_smoothing;
  p.has_ignore_index = ignore_index.has_value();
  p.ignore_index = ignore_index.value_or(0);
  p.class_weight = optional(class_weight, "class_weight", C);
  p.reduction = parse_reduction(reduction);
  p.loss = write(loss, "loss", p.reduction == Reduction::none ? rows : 1);
  p.dlogits = write(dlogits, "dlogits", count);
  const Workspace workspace(allocate,
                            tw::cuda::softmax_cross_entropy_workspace(p));
  call([&] {
    tw::cuda::softmax_cross_entropy(p, workspace.data(), stream_of(stream));
  });
}

void linear_softmax_cross_entropy(
    int64_t rows, int64_t in, int64_t C, int64_t chunk_rows, const Memory& x,
    const Memory& weight, const std::optional<Memory>& bias,
    const Memory& labels, double label_smoothing,
    std::optional<int64_t> ignore_index,
    const std::optional<Memory>& class_weight, const std::string& reduction,
    const std::string& precision, const Memory& loss, const Memory& dx,
    const Memory& dweight, const std::optional<Memory>& dbias,
    const py::function& allocate, uintptr_t stream) {
  expect(C >= 1, "weight: no classes");
  expect(chunk_rows >= 1, "chunk_rows must be at least 1");
  expect(bias.has_value() == dbias.has_value(), "dbias is for a bias");
  tw::cuda::LinearSoftmaxCrossEntropy p{};
  p.loss.rows = rows, p.loss.C = C;
  p.loss.labels = access<const int64_t>(labels, "labels", rows);
  p.loss.label_smoothing = label_smoothing;
  p.loss.has_ignore_index = ignore_index.has_value();
  p.loss.ignore_index = ignore_index.value_or(0);
  p.loss.class_weight = optional(class_weight, "class_weight", C);
  p.loss.reduction = parse_reduction(reduction);
  expect(p.loss.reduction != Reduction::none, "reduction must be mean or sum");
  p.loss.loss = write(loss, "loss", 1);
  p.in = in, p.chunk_rows = chunk_rows;
  p.x = read(x, "x", product({rows, in}));
  p.weight = read(weight, "weight", product({in, C}));
  p.bias = optional(bias, "bias", C);
  p.dx = write(dx, "dx", product({rows, in}));
  p.dweight = write(dweight, "dweight", product({in, C}));
  p.dbias = dbias ? write(*dbias, "dbias", C) : nullptr;
  p.precision = parse_precision(precision);
  const Workspace workspace(
      allocate, tw::cuda::linear_softmax_cross_entropy_workspace(p));
  call([&] {
    tw::cuda::linear_softmax_cross_entropy(p, workspace.data(),
                                           stream_of(stream));
  });
}

}  // namespace

void bind_softmax_cross_entropy(py::module_& m) {
  m.def("softmax", &softmax);
  m.def("softmax_cross_entropy", &softmax_cross_entropy);
  m.def("linear_softmax_cross_entropy", &linear_softmax_cross_entropy);
}

}  // namespace tw::bindings::cuda
