#include <tuple>
#include <variant>

#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cuda/elementwise/elementwise.h"
#include "cuda/elementwise/strided.h"

namespace tw::bindings::cuda {
namespace {

Activation parse_kind(const std::string& kind) {
  const Activation result = parse_activation(kind);
  expect(result != Activation::none, "activation: kind is none");
  return result;
}

void activation(int64_t count, const Memory& x, const std::string& kind,
                float negative_slope, const Memory& y, uintptr_t stream) {
  const tw::cuda::ActivationForward p{parse_kind(kind), negative_slope, count,
                                      read(x, "x", product({count})),
                                      write(y, "out", count)};
  call([&] { tw::cuda::activation(p, stream_of(stream)); });
}

void activation_backward(int64_t count, const Memory& dy, const Memory& saved,
                         const std::string& kind, float negative_slope,
                         const Memory& dx, uintptr_t stream) {
  const tw::cuda::ActivationBackward p{parse_kind(kind),
                                       negative_slope,
                                       count,
                                       read(dy, "dy", product({count})),
                                       read(saved, "saved", count),
                                       write(dx, "out", count)};
  call([&] { tw::cuda::activation_backward(p, stream_of(stream)); });
}

void dropout(int64_t count, const Memory& x, double p, uint64_t seed,
             uint64_t offset, const Memory& y, uintptr_t stream) {
  expect(p >= 0 && p <= 1, "dropout: p is not in [0, 1]");
  const tw::cuda::Dropout problem{p,
                                  seed,
                                  offset,
                                  nullptr,
                                  count,
                                  read(x, "x", product({count})),
                                  write(y, "y", count)};
  call([&] { tw::cuda::dropout(problem, stream_of(stream)); });
}

void dropout_from(int64_t count, const Memory& x, double p, const Memory& key,
                  const Memory& y, uintptr_t stream) {
  expect(p >= 0 && p <= 1, "dropout: p is not in [0, 1]");
  const tw::cuda::Dropout problem{p,
                                  0,
                                  0,
                                  access<const uint64_t>(key, "key", 2),
                                  count,
                                  read(x, "x", product({count})),
                                  write(y, "y", count)};
  call([&] { tw::cuda::dropout(problem, stream_of(stream)); });
}

void axis_sum(int64_t before, int64_t rows, int64_t after, const Memory& x,
              const Memory& sums, const py::function& allocate,
              uintptr_t stream) {
  const tw::cuda::AxisSum s{read(x, "x", product({before, rows, after})),
                            before, rows, after,
                            write(sums, "sums", product({before, after}))};
  const Workspace workspace(allocate, tw::cuda::axis_sum_workspace(s));
  call([&] { tw::cuda::axis_sum(s, workspace.data(), stream_of(stream)); });
}

using tw::cuda::Extents;
using tw::cuda::Operation;

// The memory that a strided array spans, the number of its first element in it,
// and its strides in elements.
using Strided = std::tuple<Memory, int64_t, Extents>;

// The first element; every element must lie in the memory.
template <class T>
T* first_of(const Strided& array, const Extents& shape, const char* name) {
  const auto& [memory, first, strides] = array;
  expect(strides.size() == shape.size(), "strides: one for each axis expected");
  int64_t low = first, high = first;
  for (size_t axis = 0; axis < shape.size(); axis++) {
    expect(shape[axis] >= 1, "an array is empty");
    int64_t reach = 0;
    expect(!__builtin_mul_overflow(shape[axis] - 1, strides[axis], &reach) &&
               reach > -(int64_t{1} << 60) && reach < int64_t{1} << 60,
           "an array is too large");
    (reach < 0 ? low : high) += reach;
  }
  expect(low >= 0, "an array begins before its memory");
  return access<T>(memory, name, high + 1) + first;
}

Operation parse_operation(const std::string& kind) {
  if (kind == "add") return Operation::add;
  if (kind == "subtract") return Operation::subtract;
  if (kind == "multiply") return Operation::multiply;
  expect(kind == "divide", "arithmetic: unknown kind");
  return Operation::divide;
}

tw::cuda::Operand operand(const std::variant<double, Strided>& value,
                          const Extents& shape, const char* name) {
  if (const auto* number = std::get_if<double>(&value))
    return {nullptr, static_cast<float>(*number), {}};
  const auto& array = std::get<Strided>(value);
  return {first_of<const float>(array, shape, name), 0, std::get<2>(array)};
}

void arithmetic(const std::string& kind, const Extents& shape,
                const std::variant<double, Strided>& a,
                const std::variant<double, Strided>& b, const Memory& y,
                uintptr_t stream) {
  int64_t count = 1;
  for (int64_t extent : shape) count = product({count, extent});
  const tw::cuda::Arithmetic p{parse_operation(kind), shape,
                               operand(a, shape, "a"), operand(b, shape, "b"),
                               write(y, "out", count)};
  call([&] { tw::cuda::arithmetic(p, stream_of(stream)); });
}

void strided_copy(const Extents& shape, const Strided& src, const Strided& dst,
                  uintptr_t stream) {
  const tw::cuda::StridedCopy p{
      shape, first_of<const float>(src, shape, "x"), std::get<2>(src),
      first_of<float>(dst, shape, "out"), std::get<2>(dst)};
  call([&] { tw::cuda::strided_copy(p, stream_of(stream)); });
}

}  // namespace

void bind_elementwise(py::module_& m) {
  m.def("activation", &activation);
  m.def("activation_backward", &activation_backward);
  m.def("dropout", &dropout);
  m.def("dropout_from", &dropout_from);
  m.def("axis_sum", &axis_sum);
  m.def("arithmetic", &arithmetic);
  m.def("strided_copy", &strided_copy);
}

}  // namespace tw::bindings::cuda
