// Lists of float32 arrays that an optimizer reads or updates in one call.
#pragma once

#include <string>

#include "bindings/arrays.h"

namespace tw::bindings {

struct FloatSpan {
  float* data;
  int64_t size;
};

// Throws py::type_error or std::invalid_argument like read() and, where
// `writeable`, write().
class ArrayList {
 public:
  ArrayList(const py::list& list, const char* name, bool writeable)
      : list_(list), name_(name), writeable_(writeable) {}

  size_t count() const { return list_.size(); }

  void expect_count(size_t count) const {
    if (list_.size() == count) return;
    expect(false, std::string(name_) + ": expected " + std::to_string(count) +
                      " arrays, got " + std::to_string(list_.size()));
  }

  FloatSpan operator[](size_t i) const {
    const py::handle item =
        PyList_GET_ITEM(list_.ptr(), static_cast<Py_ssize_t>(i));
    if (!py::isinstance<py::array>(item))
      throw py::type_error(std::string(name_) + ": expected arrays");
    const auto array = py::reinterpret_borrow<py::array>(item);
    const float* data =
        writeable_ ? write(array, name_, -1) : read(array, name_, -1);
    return {const_cast<float*>(data), static_cast<int64_t>(array.size())};
  }

  // The i-th array, which must have as many elements as its parameter.
  float* of_size(size_t i, int64_t size) const {
    const FloatSpan span = (*this)[i];
    if (span.size != size)
      expect(false, std::string(name_) + ": array " + std::to_string(i) +
                        " is not of its parameter's size");
    return span.data;
  }

 private:
  const py::list& list_;
  const char* name_;
  bool writeable_;
};

}  // namespace tw::bindings
