#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/recorder.h"
#include "cpu/elementwise.h"

namespace tw::bindings {
namespace {

cpu::Activation parse_kind(const std::string& kind) {
  const cpu::Activation result = parse_activation(kind);
  expect(result != cpu::Activation::none, "activation: kind is none");
  return result;
}

py::array activation(const py::array& x, const std::string& kind,
                     float negative_slope, const py::object& out) {
  cpu::ActivationForward p{};
  p.kind = parse_kind(kind);
  p.negative_slope = negative_slope;
  p.count = x.size();
  p.x = read(x, "x", -1);
  py::array y = output(out, shape_of(x));
  p.y = write(y, "out", -1);
  call(cpu::activation, p);
  return y;
}

py::array activation_backward(const py::array& dy, const py::array& saved,
                              const std::string& kind, float negative_slope,
                              const py::object& out) {
  cpu::ActivationBackward p{};
  p.kind = parse_kind(kind);
  p.negative_slope = negative_slope;
  p.count = dy.size();
  p.dy = read(dy, "dy", -1);
  p.saved = read(saved, "saved", -1);
  expect(saved.size() == dy.size(), "saved: expected as many elements as dy");
  py::array dx = output(out, shape_of(dy));
  p.dx = write(dx, "out", -1);
  call(cpu::activation_backward, p);
  return dx;
}

py::array dropout(const py::array& x, double p, uint64_t seed,
                  uint64_t offset) {
  expect(p >= 0 && p <= 1, "dropout: p is not in [0, 1]");
  const float* src = read(x, "x", -1);
  py::array y = empty(shape_of(x));
  const cpu::Dropout problem{p, seed, offset, x.size(), src, write(y, "y", -1)};
  call(cpu::dropout, problem);
  return y;
}

py::array bias_gradient(const py::array& dy) {
  cpu::BiasGradient p{};
  p.dy = read(dy, "dy", 2);
  p.rows = dy.shape(0), p.k = p.stride = dy.shape(1);
  py::array dbias = empty({p.k});
  p.dbias = write(dbias, "dbias", 1);
  call(cpu::bias_gradient, p);
  return dbias;
}

// Sums over the middle one of three axes.
py::array axis_sum(const py::array& x) {
  cpu::BiasGradient p{};
  p.dy = read(x, "x", 3);
  p.groups = x.shape(0), p.rows = x.shape(1), p.k = p.stride = x.shape(2);
  py::array sums = empty({p.groups, p.k});
  p.dbias = write(sums, "sums", 2);
  call(cpu::bias_gradient, p);
  return sums;
}

cpu::Operation parse_operation(const std::string& kind) {
  using cpu::Operation;
  if (kind == "add") return Operation::add;
  if (kind == "subtract") return Operation::subtract;
  if (kind == "multiply") return Operation::multiply;
  expect(kind == "divide", "arithmetic: unknown kind");
  return Operation::divide;
}

// One side of an operation: an array that repeats along new axes and along
// those of extent 1, or a number.
class Operand {
 public:
  Operand(const py::object& value, const char* name) : name_(name) {
    if (py::isinstance<py::float_>(value)) {
      number_ = value.cast<float>();
      return;
    }
    array_ = value.cast<py::array>();
    data_ = read(array_, name, -1);
    shape_ = shape_of(array_);
  }

  const float* data() const { return data_; }
  float number() const { return number_; }
  const Shape& shape() const { return shape_; }

  // Elements from one to the next along each of the result's axes.
  Shape strides(const Shape& result) const {
    Shape strides(result.size(), 0);
    const size_t missing = result.size() - shape_.size();
    int64_t step = 1;
    for (size_t axis = result.size(); axis-- > missing;) {
      const int64_t extent = shape_[axis - missing];
      if (extent != 1) {
        expect(extent == result[axis],
               std::string(name_) + ": the shape does not broadcast");
        strides[axis] = step;
      }
      step *= extent;
    }
    return strides;
  }

 private:
  const char* name_;
  py::array array_;
  const float* data_ = nullptr;
  float number_ = 0;
  Shape shape_;
};

Shape broadcast_shape(const Shape& a, const Shape& b) {
  Shape result = a.size() >= b.size() ? a : b;
  const Shape& other = a.size() >= b.size() ? b : a;
  const size_t missing = result.size() - other.size();
  for (size_t axis = 0; axis < other.size(); axis++)
    if (result[missing + axis] == 1) result[missing + axis] = other[axis];
  return result;
}

void expect_axes(const Shape& shape) {
  expect(shape.size() <= static_cast<size_t>(cpu::kMaxAxes),
         "expected at most 8 axes");
}

py::array arithmetic(const py::object& a, const py::object& b,
                     const std::string& kind, const py::object& out) {
  const Operand left(a, "a"), right(b, "b");
  const Shape shape = broadcast_shape(left.shape(), right.shape());
  expect_axes(shape);
  cpu::Arithmetic p{};
  p.operation = parse_operation(kind);
  p.a = left.data(), p.a_value = left.number();
  p.b = right.data(), p.b_value = right.number();
  const Shape a_strides = left.strides(shape), b_strides = right.strides(shape);
  for (size_t axis = 0; axis < shape.size(); axis++)
    p.grid.add(shape[axis], {a_strides[axis], b_strides[axis]});
  py::array y = output(out, shape);
  p.y = write(y, "out", -1);
  call(cpu::arithmetic, p);
  return y;
}

// Of any strides that are whole elements.
Shape element_strides(const py::array& array, const char* name) {
  expect(py::isinstance<py::array_t<float>>(array),
         std::string(name) + ": expected float32");
  Shape strides;
  bool whole = reinterpret_cast<uintptr_t>(array.data()) % alignof(float) == 0;
  for (ssize_t axis = 0; axis < array.ndim(); axis++) {
    const int64_t bytes = array.strides(axis);
    whole &= bytes % static_cast<int64_t>(sizeof(float)) == 0;
    strides.push_back(bytes / static_cast<int64_t>(sizeof(float)));
  }
  expect(whole, std::string(name) + ": expected an aligned array");
  return strides;
}

void copy_into(const py::array& x, py::array& y) {
  const Shape shape = shape_of(x);
  expect_axes(shape);
  expect_shape(y, "out", shape);
  expect(y.writeable(), "out: the array is read-only");
  const Shape x_strides = element_strides(x, "x");
  const Shape y_strides = element_strides(y, "out");
  cpu::StridedCopy p{};
  p.x = static_cast<const float*>(x.data());
  p.y = static_cast<float*>(y.mutable_data());
  for (size_t axis = 0; axis < shape.size(); axis++)
    p.grid.add(shape[axis], {x_strides[axis], y_strides[axis]});
  call(cpu::strided_copy, p);
}

py::array copy(const py::array& x, const py::object& out) {
  py::array y = out.is_none() ? empty(shape_of(x)) : out.cast<py::array>();
  copy_into(x, y);
  return y;
}

// Arrays of shapes that differ along one axis alone, joined along it.
py::array concatenate(const py::list& arrays, size_t axis) {
  expect(!arrays.empty(), "arrays: expected at least one");
  Shape shape = shape_of(arrays[0].cast<py::array>());
  expect(axis < shape.size(), "axis: expected one of the arrays' axes");
  shape[axis] = 0;
  for (const py::handle& item : arrays) {
    const auto part = item.cast<py::array>();
    expect(part.ndim() == static_cast<ssize_t>(shape.size()),
           "arrays: expected one number of axes");
    shape[axis] += part.shape(static_cast<ssize_t>(axis));
  }
  py::array y = empty(shape);
  int64_t begin = 0;
  for (const py::handle& item : arrays) {
    const auto part = item.cast<py::array>();
    auto* first = static_cast<char*>(y.mutable_data()) +
                  begin * y.strides(static_cast<ssize_t>(axis));
    py::array place(y.dtype(), shape_of(part),
                    Shape(y.strides(), y.strides() + y.ndim()), first, y);
    begin += part.shape(static_cast<ssize_t>(axis));
    for (size_t other = 0; other < shape.size(); other++)
      expect(other == axis ||
                 part.shape(static_cast<ssize_t>(other)) == shape[other],
             "arrays: expected shapes that agree but for the axis");
    copy_into(part, place);
  }
  return y;
}

}  // namespace

void bind_elementwise(py::module_& m) {
  using py::arg;
  m.def("activation", &activation, arg("x"), arg("kind"), arg("negative_slope"),
        arg("out"));
  m.def("activation_backward", &activation_backward, arg("dy"), arg("saved"),
        arg("kind"), arg("negative_slope"), arg("out"));
  m.def("dropout", &dropout, arg("x"), arg("p"), arg("seed"), arg("offset"));
  m.def("bias_gradient", &bias_gradient, arg("dy"));
  m.def("axis_sum", &axis_sum, arg("x"));
  m.def("arithmetic", &arithmetic, arg("a"), arg("b"), arg("kind"), arg("out"));
  m.def("copy", &copy, arg("x"), arg("out"));
  m.def("concatenate", &concatenate, arg("arrays"), arg("axis"));
}

}  // namespace tw::bindings
