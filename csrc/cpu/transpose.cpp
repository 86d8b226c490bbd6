#include "cpu/transpose.h"

#include "cpu/cpu_features.h"

namespace tw::cpu {
namespace {

void transpose_plain(const Transpose& t) {
  for (int64_t j = 0; j < t.columns; j++)
    for (int64_t i = 0; i < t.rows; i++)
      t.to[j * t.to_step + i] = t.from[i * t.from_step + j];
}

}  // namespace

void transpose(const Transpose& t) {
  switch (isa_in_force()) {
#if defined(__x86_64__)
    case Isa::avx512: return avx512::transpose(t);
    case Isa::avx2: return avx2::transpose(t);
#elif defined(__aarch64__)
    case Isa::neon: return neon::transpose(t);
#endif
    default: return transpose_plain(t);
  }
}

}  // namespace tw::cpu
