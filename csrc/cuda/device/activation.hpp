// Activations of one number, and their derivatives.
#pragma once

#include "cuda/activation.h"
#include "cuda/device/dialect.hpp"

namespace tw::cuda {

constexpr float kSqrtHalf = 0.70710678118654752f;
constexpr float kNormalDensity = 0.39894228040143268f;  // at 0

// The share of a normal distribution below x.
__device__ __forceinline__ float normal_cdf(float x) {
  return 0.5f * erfcf(-kSqrtHalf * x);
}

__device__ __forceinline__ float activate(Activation kind, float x,
                                          float negative_slope = 0) {
  switch (kind) {
    case Activation::relu: return x < 0 ? 0 : x;  // NaN passes
    case Activation::leaky_relu: return x > 0 ? x : negative_slope * x;
    case Activation::gelu: return x * normal_cdf(x);
    case Activation::sigmoid: return 1 / (1 + expf(-x));
    case Activation::tanh: return tanhf(x);
    case Activation::none: break;
  }
  return x;
}

__device__ __forceinline__ float4 activate(Activation kind, float4 x,
                                           float negative_slope = 0) {
  return make_float4(
      activate(kind, x.x, negative_slope), activate(kind, x.y, negative_slope),
      activate(kind, x.z, negative_slope), activate(kind, x.w, negative_slope));
}

// From the result, but for gelu from x.
__device__ __forceinline__ float activation_gradient(Activation kind, float dy,
                                                     float saved,
                                                     float negative_slope) {
  switch (kind) {
    // Where relu was off, no NaN or infinity of dy comes through.
    case Activation::relu: return saved <= 0 ? 0 : dy;
    case Activation::leaky_relu: return saved > 0 ? dy : negative_slope * dy;
    case Activation::gelu:
      return dy * (normal_cdf(saved) +
                   saved * kNormalDensity * expf(-0.5f * saved * saved));
    case Activation::sigmoid: return dy * (saved * (1 - saved));
    case Activation::tanh: return dy * ((1 - saved) * (1 + saved));
    case Activation::none: break;
  }
  return dy;
}

}  // namespace tw::cuda
