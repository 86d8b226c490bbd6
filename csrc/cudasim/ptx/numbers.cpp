#include "cudasim/ptx/numbers.hpp"

#include "cudasim/tensor_core.hpp"

namespace tw::cudasim::ptx {

uint32_t insert_bits(uint32_t field, uint32_t into, uint32_t position,
                     uint32_t length) {
  const uint32_t from = position & 0xff, count = length & 0xff;
  for (uint32_t i = 0; i < count && from + i < 32; i++) {
    const uint32_t bit = field >> (i < 32 ? i : 31) & 1;
    into = (into & ~(1u << (from + i))) | bit << (from + i);
  }
  return into;
}

uint32_t permute_bytes(uint32_t low, uint32_t high, uint32_t selector) {
  const uint64_t source = uint64_t{high} << 32 | low;
  uint32_t result = 0;
  for (int i = 0; i < 4; i++) {
    const uint32_t choice = selector >> 4 * i & 0xf;
    auto byte = static_cast<uint8_t>(source >> 8 * (choice & 7));
    if (choice & 8) byte = byte & 0x80 ? 0xff : 0;  // its sign alone
    result |= static_cast<uint32_t>(byte) << 8 * i;
  }
  return result;
}

uint32_t look_up_bits(uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
  uint32_t result = 0;
  for (uint32_t i = 0; i < 8; i++)
    if (table >> i & 1)
      result |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
  return result;
}

float saturated(float value) {
  if (!(value > 0)) return 0;  // NaN as well
  return value > 1 ? 1 : value;
}

float flushed(float value) {
  return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0f, value)
                                                : value;
}

// By way of double, which leaves one rounding that counts.
float approximate_exp2(float x) {
  return static_cast<float>(std::exp2(static_cast<double>(x)));
}
float approximate_log2(float x) {
  return static_cast<float>(std::log2(static_cast<double>(x)));
}

uint32_t bf16_pair(float high, float low) {
  return round_to_bf16(low) | static_cast<uint32_t>(round_to_bf16(high)) << 16;
}

}  // namespace tw::cudasim::ptx
