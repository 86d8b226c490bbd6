// Instructions that C++ has no name for: as inline PTX under nvcc, else as the
// simulator carries them out. Layouts of the fragments: cudasim/tensor_core.hpp
// and the PTX ISA. All but the arithmetic of addresses need sm_80; on less they
// stop the kernel, which a launch must not come to (launch.hpp:
// has_tensor_cores).
#pragma once

#include "cuda/device/dialect.hpp"
#ifndef __CUDACC__
#include "cudasim/async_copy.hpp"
#include "cudasim/tensor_core.hpp"
#endif

namespace tw::cuda {

#ifdef __CUDACC__

// An address of global memory, `count` times so many bytes further, as one
// instruction: of a loop's counter the compiler would make 64 bits first, and
// then four multiplications.
__device__ __forceinline__ const float* further(const float* address, int count,
                                                int bytes) {
  const float* result;
  asm("mad.wide.s32 %0, %1, %2, %3;"
      : "=l"(result)
      : "r"(count), "r"(bytes), "l"(address));
  __builtin_assume(__isGlobal(result));
  return result;
}

// The same value, in a register from here on: what it was computed from would
// else be computed again in each turn of a loop, to save the register.
__device__ __forceinline__ int kept(int value) {
  asm("" : "+r"(value));
  return value;
}
// An address of global memory.
__device__ __forceinline__ const float* kept(const float* address) {
  asm("" : "+l"(address));
  __builtin_assume(__isGlobal(address));
  return address;
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define TW_SM80(...) __trap()
#else
#define TW_SM80(...) asm volatile(__VA_ARGS__)
#endif

__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// 16 bytes from global to shared memory, of which `bytes` are read, the rest 0.
__device__ __forceinline__ void copy_async_16(void* shared, const void* global,
                                              int bytes) {
  TW_SM80("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
              shared_address(shared)),
          "l"(global), "r"(bytes) : "memory");
}
// 4 bytes, read or 0.
__device__ __forceinline__ void copy_async_4(void* shared, const void* global,
                                             bool read) {
  TW_SM80("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(
              shared_address(shared)),
          "l"(global), "r"(read ? 4 : 0) : "memory");
}
__device__ __forceinline__ void commit_copies() {
  TW_SM80("cp.async.commit_group;" :: : "memory");
}
// Returns when at most kPending of the latest groups are on their way.
template <int kPending>
__device__ __forceinline__ void wait_for_copies() {
  TW_SM80("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// The bits of a tf32, rounded to nearest, ties away from zero.
__device__ __forceinline__ uint32_t to_tf32(float value) {
  uint32_t bits = 0;
  TW_SM80("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}

// Two bf16, each rounded to nearest, ties to even: `low` in the lower half.
__device__ __forceinline__ uint32_t to_bf16_pair(float low, float high) {
  uint32_t pair = 0;
  TW_SM80("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

__device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4],
                                                 const uint32_t (&a)[4],
                                                 const uint32_t (&b)[2]) {
  TW_SM80(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" : "+f"(
          d[0]),
      "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]),
      "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4],
                                                  const uint32_t (&a)[4],
                                                  const uint32_t (&b)[2]) {
  TW_SM80(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" : "+f"(
          d[0]),
      "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]),
      "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void ldmatrix_x4(uint32_t (&r)[4], const void* row) {
  TW_SM80(
      "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(
          r[0]),
      "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
__device__ __forceinline__ void ldmatrix_x4_transposed(uint32_t (&r)[4],
                                                       const void* row) {
  TW_SM80(
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
      : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
      : "r"(shared_address(row))
      : "memory");
}

#else

inline const float* further(const float* address, int count, int bytes) {
  return address + int64_t{count} * (bytes / int64_t{sizeof(float)});
}
inline int kept(int value) { return value; }
inline const float* kept(const float* address) { return address; }
inline void copy_async_16(void* shared, const void* global, int bytes) {
  cudasim::copy_async(shared, global, 16, bytes);
}
inline void copy_async_4(void* shared, const void* global, bool read) {
  cudasim::copy_async(shared, global, 4, read ? 4 : 0);
}
using cudasim::commit_copies;
template <int kPending>
void wait_for_copies() {
  cudasim::wait_for_copies(kPending);
}
inline uint32_t to_tf32(float value) {
  return __float_as_uint(cudasim::round_to_tf32(value));
}
inline uint32_t to_bf16_pair(float low, float high) {
  return cudasim::round_to_bf16(low) |
         static_cast<uint32_t>(cudasim::round_to_bf16(high)) << 16;
}
inline void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4],
                             const uint32_t (&b)[2], TW_CALL_SITE) {
  cudasim::mma_m16n8k8_tf32(d, a, b, {file, line});
}
inline void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4],
                              const uint32_t (&b)[2], TW_CALL_SITE) {
  cudasim::mma_m16n8k16_bf16(d, a, b, {file, line});
}
inline void ldmatrix_x4(uint32_t (&r)[4], const void* row, TW_CALL_SITE) {
  cudasim::ldmatrix_x4(r, row, false, {file, line});
}
inline void ldmatrix_x4_transposed(uint32_t (&r)[4], const void* row,
                                   TW_CALL_SITE) {
  cudasim::ldmatrix_x4(r, row, true, {file, line});
}

#endif

}  // namespace tw::cuda
