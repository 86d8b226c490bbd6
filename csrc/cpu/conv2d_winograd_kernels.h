// Winograd's minimal filtering F(m x m, 3 x 3) for 3 x 3 convolutions of stride
// 1: an m x m tile of outputs from an a x a patch, a = m + 2, by a * a products
// instead of 9 * m * m (Lavin & Gray, "Fast Algorithms for Convolutional Neural
// Networks", CVPR 2016):
//   y = A^T [(G g G^T) . (B^T d B)] A
// Summed over channels the product at each of the a * a positions is a matrix
// product: (tiles x C)(C x K). The gradient of the weights is the adjoint,
//   dg = G^T [sum over tiles (B^T d B) . (A dy A^T)] G,
// a product (C x tiles)(tiles x K) at each position.
//
// What an instruction set supplies is the transforms, over channels; the
// products run on the micro-kernels of microkernel.h.
#pragma once

#include <cstdint>

#include "cpu/activation.h"

namespace tw::cpu {

// A grid of channel vectors: (row, column) lies at data + row * this->row +
// column * this->column, in floats.
struct SourceGrid {
  const float* data;
  int64_t row, column;
};
struct TargetGrid {
  float* data;
  int64_t row, column;
};

// target = T source T^T for one of the matrices T above, for each channel.
using WinogradTransform = void (*)(SourceGrid source, TargetGrid target,
                                   int64_t channels);

// y = activation(A^T M A + bias), of which the first `rows` x `columns` exist.
struct WinogradOutput {
  SourceGrid m;
  TargetGrid y;
  int64_t rows, columns, channels;
  const float* bias;  // null: none
  Activation activation;
};

// The same for F(2) under a max-pool of 2 x 2, whose window is the tile: one
// pixel. Index as in pool2d.h. F(4) is not for pooling: what it rounds more
// would let the wrong pixel win too often.
struct WinogradPooledOutput {
  SourceGrid m;
  float* y;
  uint8_t* indices;
  int64_t channels;
  const float* bias;
  bool relu;
};

struct WinogradKernels {
  int m;
  WinogradTransform input;            // B^T d B, a x a to a x a
  WinogradTransform weight;           // G g G^T, 3 x 3 to a x a
  WinogradTransform gradient;         // A dy A^T, m x m to a x a
  WinogradTransform weight_gradient;  // G^T U G, a x a to 3 x 3
  void (*output)(const WinogradOutput&);
  void (*pooled_output)(const WinogradPooledOutput&);  // null for F(4)
};

#if defined(__x86_64__)
namespace avx512 {
extern const WinogradKernels kWinograd2, kWinograd4;
}
namespace avx2 {
extern const WinogradKernels kWinograd2, kWinograd4;
}
#elif defined(__aarch64__)
namespace neon {
extern const WinogradKernels kWinograd2, kWinograd4;
}
#endif

}  // namespace tw::cpu
