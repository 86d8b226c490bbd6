// Blocks of 4 x 4, in bands of sixteen rows: their lines of `to` are then
// written whole while they are in L1.
#include "cpu/transpose.h"

#include "cpu/simd.hpp"
#include "cpu/simd_four.hpp"

namespace tw::cpu::TW_ISA {

void transpose(const Transpose& t) {
  constexpr int64_t band = 16;
  for (int64_t i0 = 0; i0 < t.rows; i0 += band) {
    const int64_t i1 = t.rows - i0 < band ? t.rows : i0 + band;
    int64_t j = 0;
    for (; j + 4 <= t.columns; j += 4) {
      int64_t i = i0;
      for (; i + 4 <= i1; i += 4) {
        const float* from = t.from + i * t.from_step + j;
        transpose_four(load_four(from), load_four(from + t.from_step),
                       load_four(from + 2 * t.from_step),
                       load_four(from + 3 * t.from_step),
                       t.to + j * t.to_step + i, t.to_step);
      }
      for (; i < i1; i++)
        for (int64_t c = j; c < j + 4; c++)
          t.to[c * t.to_step + i] = t.from[i * t.from_step + c];
    }
    for (; j < t.columns; j++)
      for (int64_t i = i0; i < i1; i++)
        t.to[j * t.to_step + i] = t.from[i * t.from_step + j];
  }
}

}  // namespace tw::cpu::TW_ISA
