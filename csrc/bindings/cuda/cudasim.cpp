// tilewright._cudasim: the CUDA kernels on the CPU, for tests.
#include <string>

#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cudasim/block.hpp"

namespace tw::bindings::cuda {
namespace {

void configure(const std::string& order, unsigned seed, bool late_copies,
               bool hopper, int multiprocessors) {
  using cudasim::Order;
  cudasim::Configuration c;
  if (order == "forward") {
    c.order = Order::forward;
  } else if (order == "reverse") {
    c.order = Order::reverse;
  } else {
    expect(order == "random", "order must be forward, reverse or random");
    c.order = Order::random;
  }
  c.seed = seed;
  c.late_copies = late_copies;
  expect(multiprocessors >= 1, "multiprocessors must be at least 1");
  c.hopper = hopper;
  c.multiprocessors = multiprocessors;
  cudasim::configuration = c;
}

py::dict as_dict(const cudasim::AccessCounts& counts) {
  py::dict result;
  result["shared_wavefronts"] = counts.shared_wavefronts;
  result["shared_ideal"] = counts.shared_ideal;
  result["global_sectors"] = counts.global_sectors;
  result["global_ideal"] = counts.global_ideal;
  return result;
}

py::dict access_counts() { return as_dict(cudasim::access_counts()); }

// By instruction: for `addr2line -i -e` over the module's file.
py::dict access_counts_of_each() {
  py::dict result;
  for (const auto& [instruction, counts] : cudasim::access_counts_of_each())
    result[py::str(instruction)] = as_dict(counts);
  return result;
}

}  // namespace
}  // namespace tw::bindings::cuda

PYBIND11_MODULE(TW_CUDASIM_MODULE, m) {
  using namespace tw::bindings::cuda;
  m.doc() = "The CUDA kernels of tilewright on the CPU, for tests.";
  m.attr("shadow") = tw::cudasim::kShadow;
  m.def("configure", &configure, py::arg("order"), py::arg("seed"),
        py::arg("late_copies"), py::arg("hopper") = false,
        py::arg("multiprocessors") =
            tw::cudasim::Configuration().multiprocessors);
  m.def("access_counts", &access_counts);
  m.def("access_counts_of_each", &access_counts_of_each);
  m.def("count_accesses", &tw::cudasim::count_accesses);
  bind_kernels(m);
}
