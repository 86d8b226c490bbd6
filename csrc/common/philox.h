// Philox4x32-10, the counter-based generator of J. K. Salmon et al., "Parallel
// Random Numbers: As Easy as 1, 2, 3" (SC 2011): four random words are a pure
// function of a counter and a key, so that any element of a stream can be
// computed anywhere, by any thread, in any order.
//
// Functions here are static: sources compiled for wide instruction sets include
// this file, and no copy of theirs may be the one the linker keeps for all.
#pragma once

#include <cstdint>

namespace tw {

constexpr int kPhiloxRounds = 10;
constexpr uint32_t kPhiloxMultiplier0 = 0xD2511F53;
constexpr uint32_t kPhiloxMultiplier1 = 0xCD9E8D57;
// What the key's halves grow by in each round: the golden ratio, sqrt(3) - 1.
constexpr uint32_t kPhiloxKeyStep0 = 0x9E3779B9;
constexpr uint32_t kPhiloxKeyStep1 = 0xBB67AE85;

struct PhiloxWords {
  uint32_t word[4];
};

// The upper half of the 128-bit counter is zero.
static constexpr PhiloxWords philox(uint64_t key, uint64_t counter) {
  uint32_t k0 = static_cast<uint32_t>(key);
  uint32_t k1 = static_cast<uint32_t>(key >> 32);
  uint32_t c0 = static_cast<uint32_t>(counter);
  uint32_t c1 = static_cast<uint32_t>(counter >> 32);
  uint32_t c2 = 0, c3 = 0;
  for (int round = 0; round < kPhiloxRounds; round++) {
    const uint64_t p0 = uint64_t{kPhiloxMultiplier0} * c0;
    const uint64_t p1 = uint64_t{kPhiloxMultiplier1} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += kPhiloxKeyStep0;
    k1 += kPhiloxKeyStep1;
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace tw
