// Kernels for nvcc alone whose PTX holds what the library's kernels do not use,
// or use where no test could tell a wrong meaning from a right one: see
// test_ptx_opcodes.py for the results.
#include <cuda_bf16.h>

#include <cstdint>

#include "planted_launch.hpp"

namespace planted {
namespace {

__device__ float as_float(uint32_t bits) { return __uint_as_float(bits); }
__device__ uint32_t as_bits(float value) { return __float_as_uint(value); }

// Results lie n apart; all are bits.
struct Results {
  float* out;
  int n;
  __device__ void add(uint32_t bits) {
    out[threadIdx.x] = as_float(bits);
    out += n;
  }
  __device__ void add(float value) { add(as_bits(value)); }
  __device__ void add64(uint64_t bits) {
    add(static_cast<uint32_t>(bits));
    add(static_cast<uint32_t>(bits >> 32));
  }
};

__global__ void float_to_integer(const float* in, float* out, int n) {
  Results results{out, n};
  const float x = in[threadIdx.x];
  results.add(static_cast<uint32_t>(__float2int_rn(x)));
  results.add(static_cast<uint32_t>(__float2int_rz(x)));
  results.add(static_cast<uint32_t>(__float2int_rd(x)));
  results.add(static_cast<uint32_t>(__float2int_ru(x)));
  results.add(__float2uint_rn(x));
  results.add64(static_cast<uint64_t>(__float2ll_rz(x)));
  results.add64(__float2ull_rd(x));
  results.add64(static_cast<uint64_t>(__double2ll_rn(x)));
}

// From in, and a number between it and the next float.
__global__ void to_float(const float* in, float* out, int n) {
  Results results{out, n};
  const float x = in[threadIdx.x];
  const double between = x * (1 + 0x1p-30);
  results.add(__double2float_rn(between));
  results.add(__double2float_rz(between));
  results.add(__double2float_rd(between));
  results.add(__double2float_ru(between));
  const auto bits = static_cast<int>(as_bits(x));
  results.add(__int2float_rn(bits));
  results.add(__int2float_rz(bits));
  results.add(__int2float_rd(bits));
  results.add(__int2float_ru(bits));
  results.add(__uint2float_rn(as_bits(x)));
  results.add(__ll2float_rn(static_cast<int64_t>(bits) << 21));
  results.add(rintf(x));
  results.add(floorf(x));
  results.add(ceilf(x));
  results.add(truncf(x));
  results.add(__saturatef(x));
  results.add(
      static_cast<uint32_t>(__bfloat16_as_ushort(__float2bfloat16_rn(x))));
}

// in: a, b, c, n apart.
__global__ void arithmetic(const float* in, float* out, int n) {
  Results results{out, n};
  const float a = in[threadIdx.x], b = in[n + threadIdx.x],
              c = in[2 * n + threadIdx.x];
  results.add(__fmaf_rn(a, b, c));
  results.add(__fmaf_rz(a, b, c));
  results.add(__fmaf_rd(a, b, c));
  results.add(__fmaf_ru(a, b, c));
  results.add(__fdiv_rn(a, b));
  results.add(__frcp_rn(a));
  results.add(__fsqrt_rn(a));
  results.add(fminf(a, b));
  results.add(fmaxf(a, b));
  results.add(copysignf(a, b));
  float approximate[4];
  asm("ex2.approx.f32 %0, %1;" : "=f"(approximate[0]) : "f"(a));
  asm("lg2.approx.f32 %0, %1;" : "=f"(approximate[1]) : "f"(a));
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(approximate[2]) : "f"(a));
  asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(approximate[3]) : "f"(a));
  for (float value : approximate) results.add(value);
}

__global__ void comparisons(const float* in, float* out, int n) {
  Results results{out, n};
  const float a = in[threadIdx.x], b = in[n + threadIdx.x];
  results.add(static_cast<uint32_t>(a < b));
  results.add(static_cast<uint32_t>(a <= b));
  results.add(static_cast<uint32_t>(a == b));
  results.add(static_cast<uint32_t>(a != b));
  results.add(static_cast<uint32_t>(!(a < b)));
  results.add(static_cast<uint32_t>(!(a >= b)));
  results.add(static_cast<uint32_t>(isnan(a)));
}

// in: a, b, c, n apart, as bits.
__global__ void integers(const float* in, float* out, int n) {
  Results results{out, n};
  const uint32_t a = as_bits(in[threadIdx.x]), b = as_bits(in[n + threadIdx.x]),
                 c = as_bits(in[2 * n + threadIdx.x]);
  const auto sa = static_cast<int>(a), sb = static_cast<int>(b);
  uint32_t r;
  results.add(__byte_perm(a, b, c));
  asm("bfe.u32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  results.add(r);
  asm("bfe.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  results.add(r);
  asm("bfi.b32 %0, %1, %2, 7, 9;" : "=r"(r) : "r"(a), "r"(b));
  results.add(r);
  asm("lop3.b32 %0, %1, %2, %3, 0xca;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  results.add(r);
  asm("shl.b32 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
  results.add(r);
  asm("shr.u32 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
  results.add(r);
  asm("shr.s32 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
  results.add(r);
  results.add(__umulhi(a, b));
  results.add(static_cast<uint32_t>(__mulhi(sa, sb)));
  results.add64(static_cast<uint64_t>(static_cast<int64_t>(sa) * sb + sa));
  results.add(a / (b | 1));
  results.add(static_cast<uint32_t>(sa % (sb | 1)));
  results.add(static_cast<uint32_t>(min(sa, sb)));
  results.add(max(a, b));
  results.add(static_cast<uint32_t>(static_cast<int>(static_cast<int8_t>(a))));
  results.add(static_cast<uint32_t>(static_cast<uint16_t>(b)));
}

__constant__ float table[8] = {3, 1, 4, 1, 5, 9, 2, 6};

// Constants, local memory, static and dynamic shared memory.
__global__ void spaces(const float* in, float* out, int n) {
  extern __shared__ float dynamic[];
  __shared__ float fixed[64];
  const int t = threadIdx.x;
  float own[16];
#pragma unroll 1
  for (int i = 0; i < 16; i++) own[i] = in[t] + static_cast<float>(i);
  fixed[t] = table[t % 8];
  dynamic[t] = own[t % 16];
  __syncthreads();
  out[t] = fixed[n - 1 - t];
  out[n + t] = dynamic[n - 1 - t];
}

__global__ void beyond_local(const float* in, float* out, int n) {
  float own[16];
#pragma unroll 1
  for (int i = 0; i < 16; i++) own[i] = in[i];
  out[threadIdx.x] = own[n];
}

__global__ void beyond_constants(const float*, float* out, int n) {
  out[threadIdx.x] = table[n];
}

// Each lane names the lane that it reads.
__global__ void lanes(const float* in, float* out, int n) {
  Results results{out, n};
  const int t = threadIdx.x;
  const float x = in[t];
  results.add(__shfl_sync(~0u, x, (7 * t + 3) % 32));
  results.add(__shfl_sync(~0u, x, t / 2, 8));
  results.add(__shfl_xor_sync(~0u, x, 5, 8));
  results.add(__shfl_up_sync(~0u, x, 2, 16));
  results.add(__shfl_down_sync(~0u, x, 9));
}

__global__ void atomics(const float* in, float* out, int n) {
  __shared__ unsigned results[8];
  const int t = threadIdx.x;
  const auto value = static_cast<unsigned>(in[t]);
  if (t < 8) results[t] = t == 2 || t == 3 ? ~0u : 0;
  __syncthreads();
  atomicAdd(&results[0], value);
  atomicMax(&results[1], value);
  atomicMin(&results[2], value);
  atomicAnd(&results[3], ~value);
  atomicOr(&results[4], value);
  atomicXor(&results[5], value);
  if (value == 1) atomicExch(&results[6], 77u);
  atomicCAS(&results[7], 0u, value);
  __syncthreads();
  if (t < 8) out[t] = as_float(results[t]);
}

__global__ void division_by_zero(const float* in, float* out, int n) {
  out[threadIdx.x] = as_float(as_bits(in[0]) / (n - 64));
}

__global__ __launch_bounds__(32) void bounded(const float* in, float* out,
                                              int) {
  out[threadIdx.x] = in[threadIdx.x];
}

__global__ void trapped(const float* in, float*, int) {
  if (in[threadIdx.x] == 5) __trap();
}

const Entry kEntries[] = {
    {"float_to_integer", start<float_to_integer>, 0},
    {"to_float", start<to_float>, 0},
    {"arithmetic", start<arithmetic>, 0},
    {"comparisons", start<comparisons>, 0},
    {"integers", start<integers>, 0},
    {"spaces", start<spaces>, 64 * sizeof(float)},
    {"beyond_dynamic", start<spaces>, 32 * sizeof(float)},
    {"beyond_local", start<beyond_local>, 0},
    {"beyond_constants", start<beyond_constants>, 0},
    {"lanes", start<lanes>, 0},
    {"atomics", start<atomics>, 0},
    {"division_by_zero", start<division_by_zero>, 0},
    {"bounded", start<bounded>, 0},
    {"trapped", start<trapped>, 0},
    {nullptr, nullptr, 0},
};

}  // namespace

const Entry* entries() { return kEntries; }

}  // namespace planted
