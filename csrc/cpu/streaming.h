// Results that leave the caches before anybody reads them are stored past them
// (simd.hpp, stream()): their lines need not be read first, a third of what a
// map of one array moves.
#pragma once

#include <cstdint>

namespace tw::cpu {

constexpr int64_t kHalfCacheBytes = 16 << 20;  // half of a common L3
constexpr int64_t kLineFloats = 16;

// Of an array as a whole; a part of it may be stored so if it begins a line and
// is whole lines. Not for one that is read as well: its lines are there.
inline bool pays_streaming(const float* out, int64_t floats) {
  return floats * 4 > kHalfCacheBytes &&
         reinterpret_cast<uintptr_t>(out) % (4 * kLineFloats) == 0;
}

}  // namespace tw::cpu
