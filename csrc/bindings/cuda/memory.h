// Arrays as the CUDA bindings take them: an address and a number of bytes, from
// CuPy on a device, from NumPy in the simulator. The adapters in
// python/tilewright/kernels/backends/cuda are the only callers; here is checked
// what memory safety needs.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "cuda/activation.h"
#include "cuda/precision.h"
#include "cuda/stream.h"

#ifdef TW_CUDASIM
#include "cudasim/shadow.hpp"
#endif

namespace tw::bindings::cuda {

namespace py = pybind11;
using tw::cuda::Activation;
using tw::cuda::Precision;
using tw::cuda::Stream;
using Memory = std::pair<uintptr_t, int64_t>;  // address, bytes

inline void expect(bool condition, const char* message) {
  if (!condition) throw std::invalid_argument(message);
}

// Throws std::invalid_argument where a size is negative or the product
// overflows.
inline int64_t product(std::initializer_list<int64_t> sizes) {
  int64_t result = 1;
  for (int64_t size : sizes) {
    expect(size >= 0, "a size is negative");
    if (__builtin_mul_overflow(result, size, &result)) result = -1;
    expect(result >= 0, "an array is too large");
  }
  return result;
}

// What a kernel may touch, for the simulator that watches it.
inline void allow([[maybe_unused]] const void* data,
                  [[maybe_unused]] int64_t bytes, [[maybe_unused]] int unit,
                  [[maybe_unused]] bool writeable) {
#ifdef TW_CUDASIM
  cudasim::shadow_allow(data, static_cast<size_t>(bytes), unit, writeable);
#endif
}

// The array, which must have `count` elements or more.
template <class T>
T* access(const Memory& memory, const char* name, int64_t count) {
  using Element = std::remove_const_t<T>;
  const auto size = static_cast<int64_t>(sizeof(T));
  if (memory.second / size < count || memory.first % alignof(T) != 0 ||
      (count > 0 && memory.first == 0))
    throw std::invalid_argument(
        std::string(name) + ": expected " + std::to_string(count) +
        " aligned elements of " + std::to_string(size) + " bytes, got " +
        std::to_string(memory.second) + " bytes");
  auto* data = reinterpret_cast<T*>(memory.first);
  allow(data, memory.second, static_cast<int>(sizeof(Element)),
        !std::is_const_v<T>);
  return data;
}
inline const float* read(const Memory& memory, const char* name,
                         int64_t count) {
  return access<const float>(memory, name, count);
}
inline float* write(const Memory& memory, const char* name, int64_t count) {
  return access<float>(memory, name, count);
}
inline const float* optional(const std::optional<Memory>& memory,
                             const char* name, int64_t count) {
  return memory ? read(*memory, name, count) : nullptr;
}

// Memory that a kernel needs beside its arrays, from a function that takes the
// number of floats and returns the array that holds it and its Memory.
class Workspace {
 public:
  Workspace(const py::function& allocate, int64_t floats) {
    if (floats == 0) return;
    const auto made = allocate(floats).cast<py::tuple>();
    array_ = made[0];
    data_ = write(made[1].cast<Memory>(), "workspace", floats);
  }
  float* data() const { return data_; }

 private:
  py::object array_;
  float* data_ = nullptr;
};

inline Stream stream_of(uintptr_t stream) {
  return reinterpret_cast<Stream>(stream);
}

// Runs without the interpreter's lock; afterwards the arrays are forgotten.
template <class Function>
void call(Function function) {
#ifdef TW_CUDASIM
  struct Forget {
    ~Forget() { cudasim::shadow_forget_all(); }
  } forget;
#endif
  const py::gil_scoped_release release;
  function();
}

inline Activation parse_activation(const std::string& name) {
  if (name == "none") return Activation::none;
  if (name == "relu") return Activation::relu;
  if (name == "leaky_relu") return Activation::leaky_relu;
  if (name == "gelu") return Activation::gelu;
  if (name == "sigmoid") return Activation::sigmoid;
  if (name == "tanh") return Activation::tanh;
  throw std::invalid_argument("unknown activation '" + name + "'");
}

inline Precision parse_precision(const std::string& name) {
  if (name == "fp32") return Precision::fp32;
  if (name == "tf32") return Precision::tf32;
  if (name == "3xtf32") return Precision::tf32x3;
  if (name == "bf16") return Precision::bf16;
  throw std::invalid_argument("unknown precision '" + name + "'");
}

}  // namespace tw::bindings::cuda
