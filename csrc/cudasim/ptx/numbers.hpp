// Arithmetic as PTX defines it where C++ has no operator for it.
//
// Instructions with a rounding mode are exact: they round once, as they say. Of
// the approximate ones (ex2, lg2, rcp, sqrt) the PTX ISA gives error bounds
// alone; here they return the number nearest to the exact result, from which a
// GPU's differ in their last bits.
#pragma once

#include <cfenv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "cudasim/faults.hpp"

namespace tw::cudasim::ptx {

template <class To, class From>
To bits(From value) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To result;
  std::memcpy(&result, &value, sizeof result);
  return result;
}

// ---- Integers ----

// By zero they give what no program may use.
template <class T>
T divide(T a, T b, const Site& site) {
  if (b == 0) {
    fault("division by zero at " + text(site));
    return static_cast<T>(-1);
  }
  if (std::is_signed_v<T> && b == static_cast<T>(-1)) return -a;
  return a / b;
}
template <class T>
T remainder(T a, T b, const Site& site) {
  if (b == 0) {
    fault("division by zero at " + text(site));
    return a;
  }
  if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
  return a % b;
}

template <class T>
T shift_left(T value, uint32_t by) {
  return by < 8 * sizeof(T) ? static_cast<T>(value << by) : T(0);
}
template <class T>
T shift_right(T value, uint32_t by) {
  if (by < 8 * sizeof(T)) return static_cast<T>(value >> by);
  return value < 0 ? static_cast<T>(-1) : T(0);
}

// bfe, bfi: of `position` and `length` the lowest eight bits count.
template <class T>
T extract_bits(T value, uint32_t position, uint32_t length) {
  const int from = position & 0xff, count = length & 0xff;
  if (count == 0) return 0;
  const auto bit = [value](int i) {
    return static_cast<uint32_t>(value) >> (i < 32 ? i : 31) & 1;
  };
  // Beyond what there is, and beyond the field, signed ones repeat their sign.
  const int last = from + count - 1;
  const uint32_t sign = std::is_signed_v<T> ? bit(last) : 0;
  uint32_t result = 0;
  for (int i = 0; i < 32; i++)
    result |= (i < count && from + i < 32 ? bit(from + i) : sign) << i;
  return static_cast<T>(result);
}
uint32_t insert_bits(uint32_t field, uint32_t into, uint32_t position,
                     uint32_t length);
uint32_t permute_bytes(uint32_t low, uint32_t high, uint32_t selector);
// lop3: bit 4 a + 2 b + c of the table, for each bit of a, b and c.
uint32_t look_up_bits(uint32_t a, uint32_t b, uint32_t c, uint32_t table);

// ---- Rounding ----

// The rounding mode for as long as it lives.
class Rounding {
 public:
  explicit Rounding(int mode) : before_(std::fegetround()) {
    std::fesetround(mode);
  }
  ~Rounding() { std::fesetround(before_); }
  Rounding(const Rounding&) = delete;
  Rounding& operator=(const Rounding&) = delete;

 private:
  int before_;
};

// volatile: a compiler takes these operations for the same in every mode.
template <int kMode, class T>
T fused(T a, T b, T c) {
  const Rounding rounding(kMode);
  volatile T x = a, y = b, z = c;
  volatile T result = std::fma(x, y, z);
  return result;
}
template <class To, int kMode, class From>
To rounded(From value) {
  const Rounding rounding(kMode);
  volatile From x = value;
  volatile To result = static_cast<To>(x);
  return result;
}
template <int kMode, class T>
T to_integral(T value) {
  const Rounding rounding(kMode);
  volatile T x = value;
  volatile T result = std::nearbyint(x);
  return result;
}

// To the nearest that the type has; NaN becomes 0, or the lowest bit pattern
// with a sign where one side has 64 bits.
template <class To, int kMode, class From>
To to_integer(From value) {
  if (std::isnan(value)) {
    const bool narrow = sizeof(From) == 4 && sizeof(To) == 4;
    return narrow ? To(0) : static_cast<To>(To(1) << (8 * sizeof(To) - 1));
  }
  const From whole = to_integral<kMode>(value);
  constexpr auto kLeast = std::numeric_limits<To>::min();
  constexpr auto kMost = std::numeric_limits<To>::max();
  if (whole <= static_cast<From>(kLeast)) return kLeast;
  if (whole >= static_cast<From>(kMost)) return kMost;
  return static_cast<To>(whole);
}

// ---- Floating point ----

// NaN loses against a number, and -0 is smaller than 0.
template <class T>
T smaller(T a, T b) {
  if (a != a) return b != b ? std::numeric_limits<T>::quiet_NaN() : b;
  if (a == b) return std::signbit(a) ? a : b;
  return b < a ? b : a;
}
template <class T>
T larger(T a, T b) {
  return -smaller(-a, -b);
}

float saturated(float value);  // to [0, 1], NaN to 0
float flushed(float value);    // denormal numbers to 0 with their sign (.ftz)
float approximate_exp2(float x);
float approximate_log2(float x);
uint32_t bf16_pair(float high, float low);

}  // namespace tw::cudasim::ptx
