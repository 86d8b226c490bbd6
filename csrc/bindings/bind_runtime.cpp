// Instruction sets, threads, algorithms and memory: what is not a kernel.
#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "cpu/algorithm.h"
#include "cpu/allocator.h"
#include "cpu/conv2d_cost.h"
#include "cpu/cpu_features.h"
#include "cpu/parallel.h"
#include "cpu/thread_count.h"

namespace tw::bindings {
namespace {

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (cpu::Isa isa : cpu::available_isas()) names.push_back(isa_name(isa));
  return names;
}

py::dict memory() {
  const cpu::AllocatorStats stats = cpu::allocator_stats();
  py::dict result;
  result["bytes_in_use"] = stats.bytes_in_use;
  result["bytes_cached"] = stats.bytes_cached;
  result["system_allocations"] = stats.system_allocations;
  return result;
}

py::dict build() {
  py::dict result;
  result["version"] = TILEWRIGHT_VERSION;
#if defined(__clang__)
  result["compiler"] = "clang " __clang_version__;
#else
  result["compiler"] = "gcc " __VERSION__;
#endif
#if defined(__SANITIZE_ADDRESS__)
  result["sanitizers"] = "address,undefined";
#else
  result["sanitizers"] = "";
#endif
  return result;
}

}  // namespace

void bind_runtime(py::module_& m) {
  m.def("isa", [] { return std::string(isa_name(cpu::isa_in_force())); });
  m.def("available_isas", &isa_names);
  m.def("set_isa", &cpu::set_isa, py::arg("name"));

  m.def("get_num_threads", &cpu::num_threads);
  m.def("set_num_threads", &cpu::set_num_threads, py::arg("threads"));
  m.def("default_num_threads", [] {
    const cpu::ThreadCount count = cpu::default_thread_count();
    return py::make_tuple(count.threads, count.source);
  });

  m.def("conv_algorithm", &cpu::conv_algorithm);
  m.def("set_conv_algorithm", &cpu::set_conv_algorithm, py::arg("name"));

  m.def("algorithms", &cpu::algorithms, py::arg("family"));
  m.def(
      "force_algorithm",
      [](const std::string& family, const py::object& name) {
        cpu::force_algorithm(family,
                             name.is_none() ? "" : py::cast<std::string>(name));
      },
      py::arg("family"), py::arg("name"));
  m.def("last_algorithm", &cpu::last_algorithm, py::arg("family"));

  m.def("empty", &empty, py::arg("shape"));
  m.def("allocator_stats", &memory);
  m.def("release_cached_memory", &cpu::release_cached_memory);
  m.def("build_info", &build);
}

}  // namespace tw::bindings
