// What every binding does with its arrays: checks what memory safety needs
// (dtype, number of dimensions, contiguity, alignment, sizes) and nothing else,
// for the Python interface has already explained the caller's mistakes; makes
// outputs over the caching allocator.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cpu/activation.h"

namespace tw::bindings {

namespace py = pybind11;
using Shape = std::vector<int64_t>;

// Throws py::type_error for another dtype, std::invalid_argument for another
// number of dimensions (ndim -1: any) or an array that is not C-contiguous and
// aligned.
const float* read(const py::array& array, const char* name, int ndim);
const int64_t* read_int64(const py::array& array, const char* name, int ndim);
const uint8_t* read_bytes(const py::array& array, const char* name, int ndim);
// The same, and the array must be writeable.
float* write(const py::array& array, const char* name, int ndim);

// Whether read() would take it and nothing needs the interface's attention: an
// ndarray, of no subclass.
bool plain(py::handle object, int ndim);

// Throws std::invalid_argument naming both shapes where they differ.
void expect_shape(const py::array& array, const char* name, const Shape& shape);
void expect(bool condition, const std::string& message);
// The same without making a string where all is well.
inline void expect(bool condition, const char* message) {
  if (!condition) expect(false, std::string(message));
}

Shape shape_of(const py::array& array);
// Throws std::invalid_argument where a size is negative or the product
// overflows.
int64_t product(const Shape& shape);

// Uninitialised, 64-byte aligned, from the caching allocator.
py::array empty(const Shape& shape);
py::array empty_bytes(const Shape& shape);  // uint8
py::array empty_int32(const Shape& shape);
// For what no kernel computes: it is not part of a recording.
py::array empty_of(const py::dtype& dtype, const Shape& shape);

// `out` checked against shape, or a new array where it is None.
py::array output(const py::object& out, const Shape& shape);
// Null where it is None, else its data, checked to have the given shape.
const float* optional(const py::object& array, const char* name,
                      const Shape& shape);

cpu::Activation parse_activation(const std::string& name);

}  // namespace tw::bindings
