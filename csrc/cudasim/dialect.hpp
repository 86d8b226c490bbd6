// CUDA C++ as an ordinary compiler reads it: the words, types and functions
// that csrc/cuda uses, with the meaning that the CUDA C++ Programming Guide
// gives them. What is missing here does not compile: static __shared__
// variables (device/memory.hpp has the shared memory of a block), atomics on
// floating-point numbers (whose sums would depend on the order of threads).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cudasim/block.hpp"
#include "cudasim/order.hpp"
#include "cudasim/shadow.hpp"
#include "cudasim/vector_types.hpp"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __grid_constant__

#define threadIdx (::tw::cudasim::current->index)
#define blockIdx (::tw::cudasim::launch_state.block_index)
#define blockDim (::tw::cudasim::launch_state.block)
#define gridDim (::tw::cudasim::launch_state.grid)

// Where a call stands: the last parameters of what waits for other threads.
#define TW_CALL_SITE \
  const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(TW_CALL_SITE) {
  tw::cudasim::wait_at_barrier({file, line});
}

inline void __syncwarp(unsigned mask = ~0u, TW_CALL_SITE) {
  struct Nothing {
  } nothing;
  const auto synchronise = [mask](Nothing**) { tw::cudasim::join_lanes(mask); };
  tw::cudasim::warp_operation(mask, nothing, synchronise, {file, line});
}

inline void __threadfence() {}
inline void __threadfence_block() {}

namespace tw::cudasim {

// The value of lane `from`, or the caller's own where that is -1.
template <class T>
T exchange(unsigned mask, T value, int from, Site site) {
  static_assert(std::is_arithmetic_v<T>, "shuffles move numbers");
  struct Exchange {
    T in, out;
    int from;
  } mine{value, value, from};
  warp_operation(
      mask, mine,
      [&](Exchange** of) {
        for (int lane = 0; lane < kWarp; lane++) {
          if (!of[lane] || of[lane]->from < 0) continue;
          const Exchange* source = of[of[lane]->from];
          if (source)
            of[lane]->out = source->in;
          else
            fault("shuffle at " + text(site) + " reads lane " +
                  std::to_string(of[lane]->from) + ", which takes no part");
        }
      },
      site);
  return mine.out;
}

// `from` where it lies in the calling lane's segment, else -1.
inline int in_segment(int from, int width) {
  const bool inside =
      from >= 0 && from < kWarp && from / width == current->lane / width;
  return inside ? from : -1;
}

unsigned ballot(unsigned mask, bool predicate, Site site);

// Not instrumented: to the shadow memory it is an atomic and nothing else.
template <class T>
__attribute__((noinline, no_sanitize("thread"))) T
update(T* address, T (*change)(T old, T value), T value) {
  static_assert(std::is_integral_v<T>,
                "floating-point atomics are not deterministic");
  shadow_access(address, sizeof(T), Access::atomic,
                __builtin_return_address(0));
  const T old = *address;
  *address = change(old, value);
  return old;
}

}  // namespace tw::cudasim

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32, TW_CALL_SITE) {
  const int first = tw::cudasim::current->lane / width * width;
  return tw::cudasim::exchange(mask, value, first + (from & (width - 1)),
                               {file, line});
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int flip, int width = 32,
                  TW_CALL_SITE) {
  // Towards lower segments the guide allows it; we have no use for it.
  const int from = tw::cudasim::current->lane ^ flip;
  return tw::cudasim::exchange(
      mask, value, tw::cudasim::in_segment(from, width), {file, line});
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, int by, int width = 32,
                   TW_CALL_SITE) {
  const int from = tw::cudasim::current->lane + by;
  return tw::cudasim::exchange(
      mask, value, tw::cudasim::in_segment(from, width), {file, line});
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, int by, int width = 32, TW_CALL_SITE) {
  const int from = tw::cudasim::current->lane - by;
  return tw::cudasim::exchange(
      mask, value, tw::cudasim::in_segment(from, width), {file, line});
}

inline unsigned __ballot_sync(unsigned mask, int predicate, TW_CALL_SITE) {
  return tw::cudasim::ballot(mask, predicate != 0, {file, line});
}
inline int __any_sync(unsigned mask, int predicate, TW_CALL_SITE) {
  return tw::cudasim::ballot(mask, predicate != 0, {file, line}) != 0;
}
inline int __all_sync(unsigned mask, int predicate, TW_CALL_SITE) {
  return tw::cudasim::ballot(mask, predicate != 0, {file, line}) == mask;
}

template <class T>
T atomicAdd(T* address, T value) {
  return tw::cudasim::update<T>(
      address, [](T old, T by) { return static_cast<T>(old + by); }, value);
}
template <class T>
T atomicMax(T* address, T value) {
  return tw::cudasim::update<T>(
      address, [](T old, T other) { return old < other ? other : old; }, value);
}
template <class T>
T atomicMin(T* address, T value) {
  return tw::cudasim::update<T>(
      address, [](T old, T other) { return other < old ? other : old; }, value);
}
template <class T>
T atomicExch(T* address, T value) {
  return tw::cudasim::update<T>(
      address, [](T, T other) { return other; }, value);
}

inline uint32_t __umulhi(uint32_t a, uint32_t b) {
  return static_cast<uint32_t>(uint64_t{a} * b >> 32);
}
inline float __int_as_float(int bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline int __float_as_int(float value) {
  int bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float __uint_as_float(uint32_t bits) {
  return __int_as_float(static_cast<int>(bits));
}
inline uint32_t __float_as_uint(float value) {
  return static_cast<uint32_t>(__float_as_int(value));
}
