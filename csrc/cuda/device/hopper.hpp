// What Hopper (sm_90a) adds: barriers in shared memory that count arrivals and
// bytes (mbarrier), tiles that the copy engine brings (TMA), products of a
// warpgroup that run by themselves (wgmma), and registers moved between
// warpgroups. As ptx.hpp: inline PTX under nvcc, else the simulator's
// functions, whose headers have the layouts. Built for anything else these
// instructions stop the kernel, which a launch must not come to (launch.hpp:
// has_hopper).
#pragma once

#include "cuda/device/ptx.hpp"
#include "cuda/device/tensor_map.hpp"
#ifndef __CUDACC__
#include "cudasim/mbarrier.hpp"
#include "cudasim/named_barrier.hpp"
#include "cudasim/registers.hpp"
#include "cudasim/tile_copy.hpp"
#include "cudasim/wgmma.hpp"
#endif

namespace tw::cuda {

// Counts arrivals and bytes of one phase after the other; phases have numbers
// from 0, of which waits know the last bit, their parity.
struct Mbarrier {
  uint64_t state;
};

#ifdef __CUDACC__

// A kernel is to be empty where these instructions are not there, but for
// stop_kernel.
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define TW_SM90A(...) __trap()
constexpr bool kHopperCode = false;
#else
#define TW_SM90A(...) asm volatile(__VA_ARGS__)
constexpr bool kHopperCode = true;
#endif
__device__ __forceinline__ void stop_kernel() { __trap(); }

__device__ __forceinline__ void init_mbarrier(Mbarrier& barrier, int arrivals) {
  TW_SM90A(
      "mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(&barrier)),
      "r"(arrivals) : "memory");
}
__device__ __forceinline__ void arrive(Mbarrier& barrier) {
  TW_SM90A("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(
      shared_address(&barrier)) : "memory");
}
// Arrives, and keeps the phase from ending before so many bytes came.
__device__ __forceinline__ void arrive_and_expect(Mbarrier& barrier,
                                                  int bytes) {
  TW_SM90A("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(
               shared_address(&barrier)),
           "r"(bytes) : "memory");
}
// Returns when the phase of this parity is over.
__device__ __forceinline__ void wait(Mbarrier& barrier, uint32_t parity) {
  TW_SM90A(
      "{\n"
      ".reg .pred over;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 over, [%0], %1;\n"
      "@!over bra again;\n"
      "}" ::"r"(shared_address(&barrier)),
      "r"(parity) : "memory");
}

// What this thread did to shared memory, barriers made included, comes before
// what the copy engine and the tensor cores do to it.
__device__ __forceinline__ void fence_async_proxy() {
  TW_SM90A("fence.proxy.async.shared::cta;" :: : "memory");
}

// The tile whose first number is `depth` of row `row`; its bytes count for the
// barrier as they come.
__device__ __forceinline__ void copy_tile_async(void* shared,
                                                const TensorMap& map, int depth,
                                                int row, Mbarrier& barrier) {
  TW_SM90A(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile"
      ".mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
          shared_address(shared)),
      "l"(&map), "r"(depth), "r"(row),
      "r"(shared_address(&barrier)) : "memory");
}

// True for one lane of the warp, all of which must call.
__device__ __forceinline__ bool elect_one() {
  uint32_t elected = 0;
  TW_SM90A(
      "{\n"
      ".reg .pred mine;\n"
      "elect.sync _|mine, 0xffffffff;\n"
      "selp.u32 %0, 1, 0, mine;\n"
      "}" : "=r"(elected));
  return elected;
}

// The registers of each thread of a warpgroup, all of which must call: fewer
// than it began with, or more, once others have given theirs back.
template <int kRegisters>
__device__ __forceinline__ void give_registers_back() {
  TW_SM90A("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ __forceinline__ void take_registers() {
  TW_SM90A("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// __syncthreads of `threads` threads, by whole warps; number in [1, 16).
__device__ __forceinline__ void synchronise_some(int number, int threads) {
  TW_SM90A("bar.sync %0, %1;" ::"r"(number), "r"(threads) : "memory");
}

// To be called by the warpgroup before products whose sums anything but
// products has touched.
__device__ __forceinline__ void fence_products() {
  TW_SM90A("wgmma.fence.sync.aligned;" :: : "memory");
}
__device__ __forceinline__ void commit_products() {
  TW_SM90A("wgmma.commit_group.sync.aligned;" :: : "memory");
}
// Returns when at most kPending of the latest groups are on their way; until
// then nothing but products may touch their sums.
template <int kPending>
__device__ __forceinline__ void wait_for_products() {
  TW_SM90A("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

// Returns when all products are over; nothing that uses the sums is moved ahead
// of it, as only the wait says that they come from there.
template <int kNumbers>
__device__ __forceinline__ void wait_for_sums(float (&d)[kNumbers]) {
  wait_for_products<0>();
#pragma unroll
  for (int i = 0; i < kNumbers; i++) TW_SM90A("" : "+f"(d[i])::"memory");
}

// d += a b of a warpgroup: 64 rows, by twice as many columns as d has numbers,
// 32 bytes of depth. a and b: see describe_tile.
#define TW_SUM4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define TW_SUM16(i) TW_SUM4(i), TW_SUM4(i + 4), TW_SUM4(i + 8), TW_SUM4(i + 12)

__device__ __forceinline__ void multiply_async_bf16(float (&d)[64], uint64_t a,
                                                    uint64_t b) {
  TW_SM90A(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, "
      "%14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, "
      "%26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, "
      "%38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, "
      "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, "
      "%62, %63"
      "}, %64, %65, 1, 1, 1, 0, 0;" : TW_SUM16(0),
      TW_SUM16(16), TW_SUM16(32), TW_SUM16(48) : "l"(a), "l"(b));
}

__device__ __forceinline__ void multiply_async_bf16(float (&d)[128], uint64_t a,
                                                    uint64_t b) {
  TW_SM90A(
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, "
      "%14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, "
      "%26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, "
      "%38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, "
      "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, "
      "%62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, "
      "%74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, "
      "%86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, "
      "%98, %99, %100, %101, %102, %103, %104, %105, %106, %107, "
      "%108, %109, %110, %111, %112, %113, %114, %115, %116, %117, "
      "%118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
      "}, %128, %129, 1, 1, 1, 0, 0;" : TW_SUM16(0),
      TW_SUM16(16), TW_SUM16(32), TW_SUM16(48), TW_SUM16(64), TW_SUM16(80),
      TW_SUM16(96), TW_SUM16(112) : "l"(a), "l"(b));
}

__device__ __forceinline__ void multiply_async_tf32(float (&d)[64], uint64_t a,
                                                    uint64_t b) {
  TW_SM90A(
      "wgmma.mma_async.sync.aligned.m64n128k8.f32.tf32.tf32 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, "
      "%14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, "
      "%26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, "
      "%38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, "
      "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, "
      "%62, %63"
      "}, %64, %65, 1, 1, 1;" : TW_SUM16(0),
      TW_SUM16(16), TW_SUM16(32), TW_SUM16(48) : "l"(a), "l"(b));
}

__device__ __forceinline__ void multiply_async_tf32(float (&d)[128], uint64_t a,
                                                    uint64_t b) {
  TW_SM90A(
      "wgmma.mma_async.sync.aligned.m64n256k8.f32.tf32.tf32 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, "
      "%14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, "
      "%26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, "
      "%38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, "
      "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, "
      "%62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, "
      "%74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, "
      "%86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, "
      "%98, %99, %100, %101, %102, %103, %104, %105, %106, %107, "
      "%108, %109, %110, %111, %112, %113, %114, %115, %116, %117, "
      "%118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
      "}, %128, %129, 1, 1, 1;" : TW_SUM16(0),
      TW_SUM16(16), TW_SUM16(32), TW_SUM16(48), TW_SUM16(64), TW_SUM16(80),
      TW_SUM16(96), TW_SUM16(112) : "l"(a), "l"(b));
}
#undef TW_SUM4
#undef TW_SUM16

#else

constexpr bool kHopperCode = true;
inline void stop_kernel() { cudasim::fault("stopped"); }
inline void init_mbarrier(Mbarrier& barrier, int arrivals) {
  cudasim::init_mbarrier(&barrier.state, arrivals);
}
inline void arrive(Mbarrier& barrier) {
  cudasim::arrive_at_mbarrier(&barrier.state, 0);
}
inline void arrive_and_expect(Mbarrier& barrier, int bytes) {
  cudasim::arrive_at_mbarrier(&barrier.state, bytes);
}
inline void wait(Mbarrier& barrier, uint32_t parity, TW_CALL_SITE) {
  cudasim::wait_at_mbarrier(&barrier.state, parity, {file, line});
}
using cudasim::fence_async_proxy;
inline void copy_tile_async(void* shared, const TensorMap& map, int depth,
                            int row, Mbarrier& barrier) {
  cudasim::copy_tile_async(shared, map, depth, row, &barrier.state);
}
inline bool elect_one(TW_CALL_SITE) { return cudasim::elect_one({file, line}); }
template <int kRegisters>
void give_registers_back(TW_CALL_SITE) {
  cudasim::set_registers(kRegisters, {file, line});
}
template <int kRegisters>
void take_registers(TW_CALL_SITE) {
  cudasim::set_registers(kRegisters, {file, line});
}
inline void synchronise_some(int number, int threads, TW_CALL_SITE) {
  cudasim::wait_at_named_barrier(number, threads, {file, line});
}
inline void fence_products(TW_CALL_SITE) {
  cudasim::fence_products({file, line});
}
inline void commit_products(TW_CALL_SITE) {
  cudasim::commit_products({file, line});
}
template <int kPending>
void wait_for_products(TW_CALL_SITE) {
  cudasim::wait_for_products(kPending, {file, line});
}
template <int kNumbers>
void wait_for_sums(float (&)[kNumbers], TW_CALL_SITE) {
  cudasim::wait_for_products(0, {file, line});
}
template <int kNumbers>
void multiply_async_bf16(float (&d)[kNumbers], uint64_t a, uint64_t b,
                         TW_CALL_SITE) {
  cudasim::multiply_async({d, 2 * kNumbers, cudasim::Narrow::bf16, a, b},
                          {file, line});
}
template <int kNumbers>
void multiply_async_tf32(float (&d)[kNumbers], uint64_t a, uint64_t b,
                         TW_CALL_SITE) {
  cudasim::multiply_async({d, 2 * kNumbers, cudasim::Narrow::tf32, a, b},
                          {file, line});
}
using cudasim::shared_address;

#endif

// The descriptor (PTX ISA, "Matrix Descriptor Format") of rows of 128 bytes
// with their depth along them, swizzled over 128 bytes, eight rows beginning at
// a multiple of 1024 bytes. 32 bytes further along the depth it is 2 more.
__device__ __forceinline__ uint64_t describe_tile(const void* tile) {
  constexpr uint64_t kEightRows = 8 * kTileRowBytes;
  constexpr uint64_t kSwizzle128 = 1;
  return uint64_t{(shared_address(tile) & 0x3ffff) >> 4} | uint64_t{1} << 16 |
         kEightRows >> 4 << 32 | kSwizzle128 << 62;
}

}  // namespace tw::cuda
