// The epilogue activations, one number at a time.
#pragma once

#include <cmath>

#include "cpu/activation.h"

namespace tw::cpu::ref {

inline float activate(Activation kind, float x) {
  switch (kind) {
    case Activation::relu: return x < 0 ? 0 : x;  // NaN passes
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
    case Activation::tanh: return std::tanh(x);
    case Activation::gelu: return 0.5f * x * (1 + std::erf(x * 0.70710678f));
    case Activation::leaky_relu:  // has a slope, so it is never an epilogue
    case Activation::none: break;
  }
  return x;
}

}  // namespace tw::cpu::ref
