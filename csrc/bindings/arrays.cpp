#include "bindings/arrays.h"

#include <algorithm>
#include <stdexcept>

#include "bindings/recorder.h"
#include "cpu/allocator.h"

namespace tw::bindings {
namespace {

std::string text(const Shape& shape) {
  std::string result = "(";
  for (size_t i = 0; i < shape.size(); i++)
    result += (i ? ", " : "") + std::to_string(shape[i]);
  return result + (shape.size() == 1 ? ",)" : ")");
}

// Texts are made only to be thrown: a call's arrays are many, and some calls
// take less than the making of a text.
[[noreturn]] void fail(const char* name, const std::string& message) {
  throw std::invalid_argument(std::string(name) + ": " + message);
}

// NumPy's own descriptor of T, of which most arrays have the very object.
template <class T>
bool holds(const py::array& array) {
  static const PyObject* const native = py::dtype::of<T>().release().ptr();
  return py::detail::array_proxy(array.ptr())->descr == native ||
         py::isinstance<py::array_t<T>>(array);
}

template <class T>
bool ordered(const py::array& array) {
  return (array.flags() & py::array::c_style) != 0 &&
         reinterpret_cast<uintptr_t>(array.data()) % alignof(T) == 0;
}

template <class T>
void check(const py::array& array, const char* name, int ndim) {
  if (!holds<T>(array))
    throw py::type_error(std::string(name) + ": unexpected dtype " +
                         std::string(py::str(array.dtype())));
  if (ndim >= 0 && array.ndim() != ndim)
    fail(name, "expected " + std::to_string(ndim) + " dimensions, got " +
                   std::to_string(array.ndim()));
  if (!ordered<T>(array)) fail(name, "expected a C-contiguous, aligned array");
}

// Straight through NumPy's table of functions: of a call that takes a
// microsecond, pybind11's constructor would be a tenth.
template <class T>
py::array make(const Shape& shape) {
  const auto bytes = static_cast<size_t>(product(shape)) * sizeof(T);
  void* memory = cpu::allocate(bytes);
  py::capsule owner(memory, [](void* block) { cpu::deallocate(block); });
  static const py::handle descriptor = py::dtype::of<T>().release();
  const py::detail::npy_api& numpy = py::detail::npy_api::get();
  descriptor.inc_ref();  // which the array takes
  auto array = py::reinterpret_steal<py::array>(numpy.PyArray_NewFromDescr_(
      numpy.PyArray_Type_, descriptor.ptr(), static_cast<int>(shape.size()),
      reinterpret_cast<const Py_intptr_t*>(shape.data()), nullptr, memory,
      py::detail::npy_api::NPY_ARRAY_WRITEABLE_, nullptr));
  if (!array) throw py::error_already_set();
  if (numpy.PyArray_SetBaseObject_(array.ptr(), owner.release().ptr()) != 0)
    throw py::error_already_set();
  if (Recorder* recorder = Recorder::current()) {
    recorder->program->own(memory, static_cast<int64_t>(bytes));
    recorder->made.push_back(array);
  }
  return array;
}

}  // namespace

void expect(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

Shape shape_of(const py::array& array) {
  return Shape(array.shape(), array.shape() + array.ndim());
}

int64_t product(const Shape& shape) {
  int64_t result = 1;
  bool overflow = false, empty = false;
  for (int64_t size : shape) {
    if (size < 0) expect(false, "negative size in shape " + text(shape));
    empty |= size == 0;
    overflow |= __builtin_mul_overflow(result, size, &result);
  }
  if (empty) return 0;
  if (overflow || result > INT64_MAX / 8)
    expect(false, "array too large: shape " + text(shape));
  return result;
}

const float* read(const py::array& array, const char* name, int ndim) {
  check<float>(array, name, ndim);
  return static_cast<const float*>(array.data());
}

const int64_t* read_int64(const py::array& array, const char* name, int ndim) {
  check<int64_t>(array, name, ndim);
  return static_cast<const int64_t*>(array.data());
}

const uint8_t* read_bytes(const py::array& array, const char* name, int ndim) {
  check<uint8_t>(array, name, ndim);
  return static_cast<const uint8_t*>(array.data());
}

float* write(const py::array& array, const char* name, int ndim) {
  check<float>(array, name, ndim);
  if (!array.writeable()) fail(name, "the array is read-only");
  return static_cast<float*>(const_cast<void*>(array.data()));
}

bool plain(py::handle object, int ndim) {
  static PyTypeObject* const ndarray = py::detail::npy_api::get().PyArray_Type_;
  if (Py_TYPE(object.ptr()) != ndarray) return false;
  const auto array = py::reinterpret_borrow<py::array>(object);
  return holds<float>(array) && array.ndim() == ndim && ordered<float>(array);
}

void expect_shape(const py::array& array, const char* name,
                  const Shape& shape) {
  const bool same = array.ndim() == static_cast<ssize_t>(shape.size()) &&
                    std::equal(shape.begin(), shape.end(), array.shape());
  if (!same)
    fail(name,
         "expected shape " + text(shape) + ", got " + text(shape_of(array)));
}

py::array empty_of(const py::dtype& dtype, const Shape& shape) {
  const int64_t bytes = product(shape) * static_cast<int64_t>(dtype.itemsize());
  void* memory = cpu::allocate(static_cast<size_t>(bytes));
  const py::capsule owner(memory, [](void* block) { cpu::deallocate(block); });
  return py::array(dtype, shape, memory, owner);
}

py::array empty(const Shape& shape) { return make<float>(shape); }
py::array empty_bytes(const Shape& shape) { return make<uint8_t>(shape); }
py::array empty_int32(const Shape& shape) { return make<int32_t>(shape); }

py::array output(const py::object& out, const Shape& shape) {
  if (out.is_none()) return empty(shape);
  auto array = py::cast<py::array>(out);
  write(array, "out", static_cast<int>(shape.size()));
  expect_shape(array, "out", shape);
  return array;
}

const float* optional(const py::object& object, const char* name,
                      const Shape& shape) {
  if (object.is_none()) return nullptr;
  auto array = py::cast<py::array>(object);
  const float* data = read(array, name, static_cast<int>(shape.size()));
  expect_shape(array, name, shape);
  return data;
}

cpu::Activation parse_activation(const std::string& name) {
  using cpu::Activation;
  if (name == "none") return Activation::none;
  if (name == "relu") return Activation::relu;
  if (name == "leaky_relu") return Activation::leaky_relu;
  if (name == "gelu") return Activation::gelu;
  if (name == "sigmoid") return Activation::sigmoid;
  if (name == "tanh") return Activation::tanh;
  throw std::invalid_argument("unknown activation '" + name + "'");
}

}  // namespace tw::bindings
