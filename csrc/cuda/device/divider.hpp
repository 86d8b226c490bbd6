// Division by a number that is known before the launch: a multiplication and a
// shift (T. Granlund and P. Montgomery, "Division by Invariant Integers using
// Multiplication", PLDI 1994, figure 4.1).
#pragma once

#include "cuda/device/dialect.hpp"

namespace tw::cuda {

class Divider {
 public:
  Divider() = default;
  // divisor in [1, 2^31).
  explicit Divider(int64_t divisor) : divisor_(static_cast<uint32_t>(divisor)) {
    while ((uint64_t{1} << shift_) < divisor_) shift_++;
    const uint64_t excess = (uint64_t{1} << shift_) - divisor_;
    multiplier_ = static_cast<uint32_t>((excess << 32) / divisor_ + 1);
  }

  // quotient and remainder of n in [0, 2^31).
  __device__ __forceinline__ int quotient(int n) const {
    const auto u = static_cast<uint32_t>(n);
    return static_cast<int>((__umulhi(u, multiplier_) + u) >> shift_);
  }
  __device__ __forceinline__ int split(int n, int& remainder) const {
    const int q = quotient(n);
    remainder = n - q * static_cast<int>(divisor_);
    return q;
  }

 private:
  uint32_t divisor_ = 1, multiplier_ = 1, shift_ = 0;
};

}  // namespace tw::cuda
