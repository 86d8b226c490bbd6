// The activations a kernel can apply as an epilogue or by itself.
#pragma once

namespace tw::cuda {

enum class Activation { none, relu, leaky_relu, gelu, sigmoid, tanh };

}  // namespace tw::cuda
