// Gathering batches ahead of the steps that need them.
#include <pybind11/stl.h>

#include <memory>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "cpu/gather.h"

namespace tw::bindings {
namespace {

// A batch under way. Its arrays live for as long as threads may read and write
// them.
class Gathering {
 public:
  Gathering(std::vector<py::array> arrays, std::vector<py::array> results,
            std::vector<cpu::Gather::Source> sources, std::vector<int64_t> rows)
      : arrays_(std::move(arrays)),
        results_(std::move(results)),
        gather_(std::move(sources), std::move(rows)) {}

  py::tuple finish() {
    {
      const py::gil_scoped_release release;
      gather_.finish();
    }
    py::tuple result(results_.size());
    for (size_t i = 0; i < results_.size(); i++) result[i] = results_[i];
    return result;
  }

 private:
  std::vector<py::array> arrays_, results_;
  cpu::Gather gather_;  // goes first
};

class Gatherer {
 public:
  explicit Gatherer(const std::vector<py::array>& arrays) : arrays_(arrays) {
    for (const py::array& array : arrays_) {
      expect(array.ndim() > 0 && (array.flags() & py::array::c_style) != 0 &&
                 !array.dtype().attr("hasobject").cast<bool>(),
             "gather: expected C-contiguous arrays of plain elements");
      Shape row = shape_of(array);
      row[0] = 1;
      row_bytes_.push_back(product(row) *
                           static_cast<int64_t>(array.itemsize()));
    }
  }

  std::unique_ptr<Gathering> begin(const py::array& rows) const {
    const int64_t* first = read_int64(rows, "rows", 1);
    std::vector<int64_t> numbers(first, first + rows.size());
    std::vector<py::array> results;
    std::vector<cpu::Gather::Source> sources;
    for (size_t i = 0; i < arrays_.size(); i++) {
      const py::array& array = arrays_[i];
      for (int64_t number : numbers)
        expect(number >= 0 && number < array.shape(0),
               "gather: a row is out of range");
      Shape shape = shape_of(array);
      shape[0] = rows.size();
      results.push_back(empty_of(array.dtype(), shape));
      sources.push_back({static_cast<const char*>(array.data()), row_bytes_[i],
                         static_cast<char*>(results.back().mutable_data())});
    }
    return std::make_unique<Gathering>(arrays_, std::move(results),
                                       std::move(sources), std::move(numbers));
  }

 private:
  std::vector<py::array> arrays_;
  std::vector<int64_t> row_bytes_;
};

}  // namespace

void bind_gather(py::module_& m) {
  using py::arg;
  py::class_<Gathering>(m, "Gathering").def("finish", &Gathering::finish);
  py::class_<Gatherer>(m, "Gatherer")
      .def(py::init<const std::vector<py::array>&>(), arg("arrays"))
      .def("begin", &Gatherer::begin, arg("rows"));
}

}  // namespace tw::bindings
