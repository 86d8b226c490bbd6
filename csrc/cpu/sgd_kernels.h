// What the sgd driver asks of an instruction set.
#pragma once

#include <cstdint>

namespace tw::cpu {

struct SgdCoefficients {
  float lr, momentum, weight_decay;
  bool nesterov;
};

// momentum_buffer is null where there is no momentum.
using SgdKernel = void (*)(const SgdCoefficients&, int64_t count, float* param,
                           const float* grad, float* momentum_buffer);

namespace ref {
extern const SgdKernel kSgdKernel;
}
#if defined(__x86_64__)
namespace avx512 {
extern const SgdKernel kSgdKernel;
}
namespace avx2 {
extern const SgdKernel kSgdKernel;
}
#elif defined(__aarch64__)
namespace neon {
extern const SgdKernel kSgdKernel;
}
#endif

}  // namespace tw::cpu
