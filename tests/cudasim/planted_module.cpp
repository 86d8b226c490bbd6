// The module of the planted kernels: run(name, in, out, blocks, threads, n).
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>

#include "cudasim/block.hpp"
#include "cudasim/shadow.hpp"
#include "cudasim/tensor_map.hpp"
#include "planted.h"

namespace py = pybind11;
using Floats = py::array_t<float, py::array::c_style>;

namespace {

const planted::Entry* find_in(const planted::Entry* list,
                              const std::string& name) {
  for (const planted::Entry* e = list; e->name; e++)
    if (name == e->name) return e;
  return nullptr;
}

const planted::Entry* find(const std::string& name) {
  const planted::Entry* found = find_in(planted::entries(), name);
  if (!found && planted::hopper_entries)
    found = find_in(planted::hopper_entries(), name);
  if (!found) throw std::invalid_argument("no kernel " + name);
  return found;
}

void run(const std::string& name, const Floats& in, Floats& out, int blocks,
         int threads, int n) {
  tw::cudasim::shadow_forget_all();
  tw::cudasim::shadow_allow(in.data(), static_cast<size_t>(in.nbytes()), 4,
                            false);
  tw::cudasim::shadow_allow(out.data(), static_cast<size_t>(out.nbytes()), 4,
                            true);
  const planted::Entry& entry = *find(name);
  entry.start(entry, {blocks, threads, in.data(), out.mutable_data(), n});
}

void configure(int order, unsigned seed, bool late_copies) {
  tw::cudasim::Configuration c;
  c.order = static_cast<tw::cudasim::Order>(order);
  c.seed = seed;
  c.late_copies = late_copies;
  tw::cudasim::configuration = c;
}

py::dict access_counts() {
  const auto c = tw::cudasim::access_counts();
  py::dict result;
  result["shared"] = py::make_tuple(c.shared_wavefronts, c.shared_ideal);
  result["global"] = py::make_tuple(c.global_sectors, c.global_ideal);
  return result;
}

void encode_tensor_map(uintptr_t data, int number_bytes, uint64_t depth,
                       uint64_t rows, uint64_t pitch, int box_depth,
                       int box_rows, int swizzle) {
  tw::cudasim::encode_tensor_map(reinterpret_cast<const void*>(data),
                                 number_bytes, depth, rows, pitch, box_depth,
                                 box_rows, swizzle);
}

}  // namespace

PYBIND11_MODULE(TW_CUDASIM_MODULE, m) {
  m.def("run", &run);
  m.def("configure", &configure);
  m.def("encode_tensor_map", &encode_tensor_map);
  m.def("count_accesses", &tw::cudasim::count_accesses);
  m.def("access_counts", &access_counts);
}
