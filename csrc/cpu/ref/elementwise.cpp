// Activations, dropout, sums and the four operations as their definitions say
// them.
#include <cmath>

#include "common/philox.h"
#include "cpu/elementwise_kernels.h"
#include "cpu/ref/activation.h"

namespace tw::cpu::ref {
namespace {

void activation(const ActivationForward& p, bool) {
  for (int64_t i = 0; i < p.count; i++) {
    const float x = p.x[i];
    p.y[i] = p.kind == Activation::leaky_relu
                 ? (x < 0 ? p.negative_slope * x : x)
                 : activate(p.kind, x);
  }
}

double gelu_derivative(double x) {
  const double cdf = 0.5 * std::erfc(-x * 0.70710678118654752);
  const double density = std::exp(-0.5 * x * x) * 0.39894228040143268;
  return cdf + x * density;
}

// The derivative, from y or, for gelu, from x.
double derivative(const ActivationBackward& p, double saved) {
  switch (p.kind) {
    case Activation::relu: return saved <= 0 ? 0 : 1;
    case Activation::leaky_relu: return saved > 0 ? 1 : p.negative_slope;
    case Activation::gelu: return gelu_derivative(saved);
    case Activation::sigmoid: return saved * (1 - saved);
    case Activation::tanh: return 1 - saved * saved;
    case Activation::none: break;
  }
  return 1;
}

void activation_backward(const ActivationBackward& p, bool) {
  for (int64_t i = 0; i < p.count; i++) {
    const double slope = derivative(p, p.saved[i]);
    // Where relu was off, no NaN or infinity of dy comes through.
    const bool off = p.kind == Activation::relu && slope == 0;
    p.dx[i] = off ? 0 : static_cast<float>(p.dy[i] * slope);
  }
}

void dropout(const DropoutBlock& b) {
  PhiloxWords random{};
  for (int64_t i = 0; i < b.count; i++) {
    if (i % 4 == 0) random = philox(b.key, b.counter + i / 4);
    const auto u = static_cast<int32_t>(random.word[i % 4] >> 8);
    b.y[i] = u >= b.threshold ? b.x[i] * b.scale : 0;
  }
}

void column_sums(const float* src, int64_t stride, int64_t rows,
                 int64_t columns, float* sums) {
  for (int64_t j = 0; j < columns; j++) {
    double sum = 0;
    for (int64_t i = 0; i < rows; i++) sum += src[i * stride + j];
    sums[j] = static_cast<float>(sum);
  }
}

float result(Operation operation, float a, float b) {
  switch (operation) {
    case Operation::add: return a + b;
    case Operation::subtract: return a - b;
    case Operation::multiply: return a * b;
    case Operation::divide: break;
  }
  return a / b;
}

void arithmetic(const ArithmeticBlock& b) {
  for (int64_t i = 0; i < b.rows; i++)
    for (int64_t j = 0; j < b.columns; j++)
      b.y[i * b.columns + j] =
          result(b.operation, b.a[i * b.a_row + j * b.a_column],
                 b.b[i * b.b_row + j * b.b_column]);
}

}  // namespace

const ElementwiseKernels kElementwiseKernels = {
    activation, activation_backward, dropout, column_sums, arithmetic};

}  // namespace tw::cpu::ref
