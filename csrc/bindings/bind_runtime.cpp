// Instruction sets, threads, algorithms and memory: what is not a kernel.
#include <pybind11/stl.h>

#include <algorithm>

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

struct FloatArray {
  const char *begin, *end;
};

// Whether it is an ndarray (no subclass) of aligned float32 in C order, with
// `like`'s shape.
bool is_plain(PyObject* object, PyObject* like, bool writeable) {
  const auto& api = py::detail::npy_api::get();
  if (Py_TYPE(object) != api.PyArray_Type_) return false;
  const auto* array = py::detail::array_proxy(object);
  int flags = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ |
              py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  if (writeable) flags |= py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  if ((array->flags & flags) != flags) return false;
  const auto* shape = py::detail::array_proxy(like);
  static const py::dtype float32 = py::dtype::of<float>();
  return array->descr == float32.ptr() && array->nd == shape->nd &&
         std::equal(array->dimensions, array->dimensions + array->nd,
                    shape->dimensions);
}

FloatArray span_of(PyObject* object) {
  const auto array = py::reinterpret_borrow<py::array>(object);
  const auto* begin = static_cast<const char*>(array.data());
  return {begin, begin + array.nbytes()};
}

// Whether an optimizer's lists need neither errors nor copies: float32 arrays
// of the parameters' shapes, none of those written to overlapping another.
bool ready_in_place(const py::list& params, const py::list& grads,
                    const py::list& states) {
  std::vector<FloatArray> written, read;
  const auto add = [&](const py::list& list, bool writeable) {
    if (list.size() != params.size()) return false;
    for (size_t i = 0; i < list.size(); i++) {
      PyObject* param = params[i].ptr();
      PyObject* array = list[i].ptr();
      if (!is_plain(param, param, true) || !is_plain(array, param, writeable))
        return false;
      const FloatArray span = span_of(array);
      if (span.begin < span.end) (writeable ? written : read).push_back(span);
    }
    return true;
  };
  if (params.empty() || !add(params, true) || !add(grads, false)) return false;
  for (const py::handle state : states)
    if (!py::isinstance<py::list>(state) ||
        !add(py::reinterpret_borrow<py::list>(state), true))
      return false;
  const auto before = [](const FloatArray& a, const FloatArray& b) {
    return a.begin < b.begin;
  };
  std::sort(written.begin(), written.end(), before);
  for (size_t i = 1; i < written.size(); i++)
    if (written[i].begin < written[i - 1].end) return false;
  for (const FloatArray& grad : read) {
    // The last that begins before the gradient ends.
    const auto after = std::lower_bound(written.begin(), written.end(),
                                        FloatArray{grad.end, nullptr}, before);
    if (after != written.begin() && (after - 1)->end > grad.begin) return false;
  }
  return true;
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
  m.def("ready_in_place", &ready_in_place, py::arg("params"), py::arg("grads"),
        py::arg("states"));
  m.def("allocator_stats", &memory);
  m.def("release_cached_memory", &cpu::release_cached_memory);
  m.def("build_info", &build);
}

}  // namespace tw::bindings
