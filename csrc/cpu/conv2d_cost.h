// Which way of computing a convolution costs least: a model of a few lines, of
// one core's cycles, calibrated on Zen 5 and good to some 15%. It orders the
// ways; it does not predict times.
#pragma once

#include <string>

#include "cpu/conv2d.h"

namespace tw::cpu {

enum class ConvWay { direct, winograd2, winograd4 };
// A pooled forward pass has no winograd4 (conv2d_winograd_kernels.h).
enum class ConvPass {
  forward,
  pooled_forward,
  backward_input,
  backward_weight
};

// The cheapest that conv_algorithm() allows for 3 x 3 filters of stride 1.
ConvWay cheapest_way(const ConvShape& shape, ConvPass pass, int lanes);

// What a user allows: "auto", "winograd2" (no larger tiles, whose rounding
// errors are greater) or "direct". Throws std::invalid_argument.
void set_conv_algorithm(const std::string& name);
std::string conv_algorithm();

}  // namespace tw::cpu
