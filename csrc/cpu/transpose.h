// Transposition of matrices that are packed for a kernel, on the calling
// thread: blocks go through registers, so that both sides are read and written
// by whole lines.
#pragma once

#include <cstdint>

namespace tw::cpu {

struct Transpose {
  const float* from;  // (rows, columns), a row every from_step
  int64_t from_step, rows, columns;
  float* to;  // (columns, rows), a row every to_step
  int64_t to_step;
};

void transpose(const Transpose& t);

#if defined(__x86_64__)
namespace avx512 {
void transpose(const Transpose& t);
}
namespace avx2 {
void transpose(const Transpose& t);
}
#elif defined(__aarch64__)
namespace neon {
void transpose(const Transpose& t);
}
#endif

}  // namespace tw::cpu
