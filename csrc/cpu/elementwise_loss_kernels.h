// What the elementwise_loss driver asks of an instruction set: one block,
// single-threaded.
#pragma once

#include <cstdint>

#include "common/elementwise_loss.h"

namespace tw::cpu {

struct LossBlock {
  LossKind kind;
  float delta;
  float scale;  // of the gradient
  int64_t count;
  const float* x;
  const float* target;
  float* losses;  // null: their sum is enough
  float* dx;
};

// Returns the sum of the block's losses.
using ElementwiseLossKernel = double (*)(const LossBlock&);

namespace ref {
extern const ElementwiseLossKernel kElementwiseLossKernel;
}
#if defined(__x86_64__)
namespace avx512 {
extern const ElementwiseLossKernel kElementwiseLossKernel;
}
namespace avx2 {
extern const ElementwiseLossKernel kElementwiseLossKernel;
}
#elif defined(__aarch64__)
namespace neon {
extern const ElementwiseLossKernel kElementwiseLossKernel;
}
#endif

}  // namespace tw::cpu
