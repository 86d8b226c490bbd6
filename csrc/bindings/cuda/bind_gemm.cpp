#include <atomic>

#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cuda/gemm/gemm.h"

namespace tw::bindings::cuda {
namespace {

using tw::cuda::TensorCoreAlgorithm;

// Chosen for tests and timings, for all calls from then on.
std::atomic<TensorCoreAlgorithm> chosen = TensorCoreAlgorithm::automatic;

void choose_tensor_core_algorithm(const std::string& name) {
  if (name == "automatic")
    chosen = TensorCoreAlgorithm::automatic;
  else if (name == "mma_sync")
    chosen = TensorCoreAlgorithm::mma_sync;
  else if (name == "hopper")
    chosen = TensorCoreAlgorithm::hopper;
  else
    throw std::invalid_argument("unknown algorithm '" + name + "'");
}

void gemm(int64_t m, int64_t n, int64_t k, const Memory& a, const Memory& b,
          const Memory& c, bool transpose_a, bool transpose_b,
          const std::optional<Memory>& bias, const std::string& activation,
          bool accumulate, const std::string& precision,
          const py::function& allocate, uintptr_t stream) {
  tw::cuda::GemmProblem p{};
  p.m = m, p.n = n, p.k = k;
  p.a = read(a, "a", product({m, k}));
  p.b = read(b, "b", product({k, n}));
  p.c = write(c, "out", product({m, n}));
  p.transpose_a = transpose_a, p.transpose_b = transpose_b;
  p.bias = optional(bias, "bias", n);
  p.activation = parse_activation(activation);
  p.accumulate = accumulate;
  p.precision = parse_precision(precision);
  p.algorithm = chosen;
  const Workspace workspace(allocate, tw::cuda::gemm_workspace(p));
  call([&] { tw::cuda::gemm(p, workspace.data(), stream_of(stream)); });
}

}  // namespace

void bind_gemm(py::module_& m) {
  m.def("gemm", &gemm);
  m.def("choose_tensor_core_algorithm", &choose_tensor_core_algorithm);
}

}  // namespace tw::bindings::cuda
