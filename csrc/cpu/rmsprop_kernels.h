// What the rmsprop driver asks of an instruction set.
#pragma once

#include "common/rmsprop.h"

namespace tw::cpu {

using RmspropKernel = void (*)(const RmspropCoefficients&,
                               const RmspropArrays&);

namespace ref {
extern const RmspropKernel kRmspropKernel;
}
#if defined(__x86_64__)
namespace avx512 {
extern const RmspropKernel kRmspropKernel;
}
namespace avx2 {
extern const RmspropKernel kRmspropKernel;
}
#elif defined(__aarch64__)
namespace neon {
extern const RmspropKernel kRmspropKernel;
}
#endif

}  // namespace tw::cpu
