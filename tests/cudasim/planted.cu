// What the simulator must catch, and what it must let pass: see
// test_planted_defects.py for which defect shows in which way.
#include "cuda/device/memory.hpp"
#include "cuda/device/ptx.hpp"
#include "planted_launch.hpp"

namespace planted {
namespace {

using namespace tw::cuda;

struct Shared {
  float x[1024];
};
struct TwoArrays {
  float first[32], second[32];
};

// ---- Right ones ----

__global__ void reversed(const float* in, float* out, int n) {
  auto& shared = shared_memory<Shared>();
  const int t = threadIdx.x;
  shared.x[t] = in[t];
  __syncthreads();
  out[t] = shared.x[n - 1 - t];
}

__global__ void warp_exchange(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  const int t = threadIdx.x;
  shared.x[t] = in[t];
  __syncwarp();
  out[t] = shared.x[t ^ 1];
}

// Across halves of a warp by __syncwarp of all, within one by that of its own;
// and what a lane reads and then writes others have read before.
__global__ void half_warp_exchange(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  const int t = threadIdx.x;
  shared.x[t] = in[t];
  __syncwarp();
  const float across = shared.x[t ^ 16];
  __syncwarp();
  shared.x[t] += across;
  __syncwarp(0xffffu << (t & 16));
  out[t] = shared.x[t ^ 1];
}

// Lane 2 waits for lane 1 alone, which has waited for lane 0.
__global__ void relayed(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  const int t = threadIdx.x, lane = t % 32;
  float got = 0;
  if (lane == 0) shared.x[t] = in[t];
  if (lane < 2) __syncwarp(0x3u);
  if (lane == 1 || lane == 2) __syncwarp(0x6u);
  if (lane == 2) got = shared.x[t - 2];
  out[t] = got;
}

// Sum of each warp by shuffles, and what votes and the other shuffles say.
__global__ void shuffles(const float* in, float* out, int n) {
  const int t = threadIdx.x, lane = t % 32;
  float sum = in[t];
  for (int flip = 16; flip > 0; flip /= 2)
    sum += __shfl_xor_sync(~0u, sum, flip);
  out[t] = sum;
  out[n + t] = __shfl_down_sync(~0u, in[t], 3);
  out[2 * n + t] = __shfl_up_sync(~0u, in[t], 3, 8);
  out[3 * n + t] = __shfl_sync(~0u, in[t], 5, 16);
  out[4 * n + t] = static_cast<float>(__ballot_sync(~0u, in[t] > 0) & 0xffff);
  out[5 * n + t] = static_cast<float>(__any_sync(~0u, lane == 7) +
                                      2 * __all_sync(~0u, lane < 31));
  // A part of the warp by itself.
  float part = -1;
  if (lane < 8) part = __shfl_xor_sync(0xffu, in[t], 7);
  out[6 * n + t] = part;
  // Each lane from one of its own choice.
  out[7 * n + t] = __shfl_sync(~0u, in[t], (7 * lane + 3) % 32);
}

__global__ void integer_atomics(const float* in, float* out, int n) {
  auto* count = reinterpret_cast<int*>(out);
  for (int i = 0; i < n; i++) atomicAdd(count, static_cast<int>(in[i]));
  atomicMax(count + 1, static_cast<int>(blockIdx.x * 1000 + threadIdx.x));
}

template <int kPending, bool kBarrier>
__global__ void copied(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  const int t = threadIdx.x;
  copy_async_4(&shared.x[t], in + t, t != 5);
  commit_copies();
  commit_copies();  // an empty group counts as one
  wait_for_copies<kPending>();
  if (kBarrier) __syncthreads();
  out[t] = shared.x[t ^ 33];
  wait_for_copies<0>();
}

// in: 32 x 4 registers of a, 32 x 2 of b; out: 32 x 4 of d.
template <bool kBf16, bool kSwapped>
__global__ void multiply(const float* in, float* out, int) {
  const int lane = threadIdx.x;
  uint32_t a[4], b[2];
  float d[4] = {};
  for (int i = 0; i < 4; i++) a[i] = __float_as_uint(in[4 * lane + i]);
  for (int i = 0; i < 2; i++) b[i] = __float_as_uint(in[128 + 2 * lane + i]);
  if (kSwapped) {
    const uint32_t other = a[1];
    a[1] = a[2];
    a[2] = other;
  }
  if (kBf16)
    mma_m16n8k16_bf16(d, a, b);
  else
    mma_m16n8k8_tf32(d, a, b);
  for (int i = 0; i < 4; i++) out[4 * lane + i] = d[i];
}

__global__ void rounded(const float* in, float* out, int) {
  out[threadIdx.x] = __uint_as_float(to_tf32(in[threadIdx.x]));
}

// in: 32 rows of 8 elements of 16 bits; out: 32 x 4 registers.
template <bool kTransposed>
__global__ void load_matrices(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  const int lane = threadIdx.x;
  store4(&shared.x[4 * lane], load4(in + 4 * lane));
  __syncwarp();
  uint32_t r[4];
  if (kTransposed)
    ldmatrix_x4_transposed(r, &shared.x[4 * lane]);
  else
    ldmatrix_x4(r, &shared.x[4 * lane]);
  for (int i = 0; i < 4; i++) out[4 * lane + i] = __uint_as_float(r[i]);
}

// Columns of a matrix of 32 x 32 with and without a gap between the rows.
template <int kPitch>
__global__ void transposed(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  for (int i = 0; i < 16; i++)
    shared.x[i * kPitch + threadIdx.x] = in[i * 32 + threadIdx.x];
  __syncthreads();
  const int row = threadIdx.x % 16, first = threadIdx.x / 16 * 16;
  for (int i = first; i < first + 16; i++)
    out[row * 32 + i] = shared.x[row * kPitch + i];
}

template <int kStride>
__global__ void strided(const float* in, float* out, int) {
  out[threadIdx.x] = in[threadIdx.x * kStride];
}

// ---- Defects ----

__global__ void missing_barrier(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  const int t = threadIdx.x;
  shared.x[t] = in[t];
  out[t] = shared.x[t ? t - 1 : 0];
}

__global__ void missing_barrier_before_reuse(const float* in, float* out,
                                             int n) {
  auto& shared = shared_memory<Shared>();
  const int t = threadIdx.x;
  shared.x[t] = in[t];
  __syncthreads();
  const float other = shared.x[(t + 32) % n];
  shared.x[t] = other;
  __syncthreads();
  out[t] = shared.x[t];
}

__global__ void missing_warp_barrier(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  const int t = threadIdx.x;
  shared.x[t] = in[t];
  out[t] = shared.x[t ^ 1];
}

__global__ void warp_barrier_without_writer(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  const int t = threadIdx.x;
  shared.x[t] = 0;
  __syncthreads();
  shared.x[t] = in[t];
  __syncwarp(0xffffu << (t & 16));
  out[t] = shared.x[t ^ 16];
}

__global__ void warp_barrier_before_writer(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  const int t = threadIdx.x;
  __syncwarp();
  shared.x[t] = in[t];
  out[t] = shared.x[t ^ 1];
}

__global__ void missing_warp_barrier_before_reuse(const float* in, float* out,
                                                  int) {
  auto& shared = shared_memory<Shared>();
  const int t = threadIdx.x;
  shared.x[t] = in[t];
  __syncwarp();
  const float other = shared.x[t ^ 1];
  shared.x[t] = other;
  out[t] = other;
}

// Neither a shuffle nor a vote puts accesses of memory in order.
__global__ void shuffle_for_barrier(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  const int t = threadIdx.x;
  shared.x[t] = in[t];
  const float other = __shfl_xor_sync(~0u, in[t], 1);
  out[t] = other + shared.x[t ^ 1];
}

__global__ void vote_for_barrier(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  const int t = threadIdx.x;
  shared.x[t] = in[t];
  const unsigned positive = __ballot_sync(~0u, in[t] > 0);
  out[t] = shared.x[t ^ 1] + static_cast<float>(positive & 1);
}

__global__ void divergent_barrier(const float* in, float* out, int n) {
  if (static_cast<int>(threadIdx.x) < n / 2) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = in[threadIdx.x];
}

__global__ void barrier_of_some(const float* in, float* out, int) {
  if (threadIdx.x < 40) __syncthreads();
  out[threadIdx.x] = in[threadIdx.x];
}

__global__ void shuffle_of_some(const float* in, float* out, int) {
  float value = in[threadIdx.x];
  if (threadIdx.x % 32 < 16) value = __shfl_xor_sync(~0u, value, 1);
  out[threadIdx.x] = value;
}

__global__ void shuffle_from_outside(const float* in, float* out, int) {
  float value = in[threadIdx.x];
  if (threadIdx.x % 32 < 8) value = __shfl_xor_sync(0xffu, value, 8);
  out[threadIdx.x] = value;
}

__global__ void divergent_shuffle(const float* in, float* out, int) {
  float value = in[threadIdx.x];
  if (threadIdx.x % 2)
    value = __shfl_xor_sync(~0u, value, 2);
  else
    value = __shfl_xor_sync(~0u, value, 4);
  out[threadIdx.x] = value;
}

__global__ void uninitialised_shared(const float*, float* out, int) {
  auto& shared = shared_memory<Shared>();
  if (threadIdx.x < 16) shared.x[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = shared.x[threadIdx.x];
}

__global__ void write_beyond(const float* in, float* out, int n) {
  if (threadIdx.x == 0) out[n] = in[0];
  out[threadIdx.x] = in[threadIdx.x];
}

__global__ void read_beyond(const float* in, float* out, int) {
  out[threadIdx.x] = in[threadIdx.x + 1];
}

__global__ void shared_beyond(const float* in, float* out, int n) {
  auto& shared = shared_memory<Shared>();
  float* x = shared.x;
  if (threadIdx.x == 0) x[n] = in[0];
  out[threadIdx.x] = in[threadIdx.x];
}

// Inside of the kernel's shared memory all the same.
__global__ void past_an_array(const float* in, float* out, int n) {
  auto& shared = shared_memory<TwoArrays>();
  if (threadIdx.x == 0) shared.first[n] = in[0];
  out[threadIdx.x] = in[threadIdx.x];
}

__global__ void write_of_an_input(const float* in, float* out, int) {
  const_cast<float*>(in)[threadIdx.x] = 0;
  out[threadIdx.x] = 0;
}

__global__ void misaligned(const float* in, float* out, int) {
  store4(out, load4(in + 1));
}

__global__ void race_of_blocks(const float* in, float* out, int) {
  out[threadIdx.x] = in[threadIdx.x] + static_cast<float>(blockIdx.x);
}

__global__ void read_of_another_block(const float* in, float* out, int n) {
  out[blockIdx.x * n + threadIdx.x] = in[threadIdx.x];
  if (blockIdx.x) out[blockIdx.x * n + threadIdx.x] += out[threadIdx.x];
}

__global__ void unrounded(const float* in, float* out, int) {
  float d[4] = {};
  const uint32_t a[4] = {__float_as_uint(in[0])}, b[2] = {};
  mma_m16n8k8_tf32(d, a, b);
  out[threadIdx.x] = d[0];
}

__global__ void copies_left(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  copy_async_4(&shared.x[threadIdx.x], in + threadIdx.x, true);
  commit_copies();
  out[threadIdx.x] = 0;
}

__global__ void misaligned_copy(const float* in, float* out, int) {
  auto& shared = shared_memory<Shared>();
  copy_async_16(&shared.x[0], in + 1, 16);
  wait_for_copies<0>();
  out[threadIdx.x] = 0;
}

constexpr size_t kShared = sizeof(Shared);

const Entry kEntries[] = {
    {"reversed", start<reversed>, kShared},
    {"warp_exchange", start<warp_exchange>, kShared},
    {"half_warp_exchange", start<half_warp_exchange>, kShared},
    {"relayed", start<relayed>, kShared},
    {"shuffles", start<shuffles>, 0},
    {"integer_atomics", start<integer_atomics>, 0},
    {"copied", start<copied<0, true>>, kShared},
    {"multiply_tf32", start<multiply<false, false>>, 0},
    {"multiply_bf16", start<multiply<true, false>>, 0},
    {"rounded", start<rounded>, 0},
    {"load_matrices", start<load_matrices<false>>, kShared},
    {"load_matrices_transposed", start<load_matrices<true>>, kShared},
    {"transposed_with_conflicts", start<transposed<32>>, kShared},
    {"transposed_without_conflicts", start<transposed<33>>, kShared},
    {"neighbours", start<strided<1>>, 0},
    {"every_eighth", start<strided<8>>, 0},
    {"missing_barrier", start<missing_barrier>, kShared},
    {"missing_barrier_before_reuse", start<missing_barrier_before_reuse>,
     kShared},
    {"missing_warp_barrier", start<missing_warp_barrier>, kShared},
    {"warp_barrier_without_writer", start<warp_barrier_without_writer>,
     kShared},
    {"warp_barrier_before_writer", start<warp_barrier_before_writer>, kShared},
    {"missing_warp_barrier_before_reuse",
     start<missing_warp_barrier_before_reuse>, kShared},
    {"shuffle_for_barrier", start<shuffle_for_barrier>, kShared},
    {"vote_for_barrier", start<vote_for_barrier>, kShared},
    {"divergent_barrier", start<divergent_barrier>, 0},
    {"barrier_of_some", start<barrier_of_some>, 0},
    {"shuffle_of_some", start<shuffle_of_some>, 0},
    {"shuffle_from_outside", start<shuffle_from_outside>, 0},
    {"divergent_shuffle", start<divergent_shuffle>, 0},
    {"uninitialised_shared", start<uninitialised_shared>, kShared},
    {"write_beyond", start<write_beyond>, 0},
    {"read_beyond", start<read_beyond>, 0},
    {"shared_beyond", start<shared_beyond>, kShared},
    {"past_an_array", start<past_an_array>, sizeof(TwoArrays)},
    {"write_of_an_input", start<write_of_an_input>, 0},
    {"misaligned", start<misaligned>, 0},
    {"race_of_blocks", start<race_of_blocks>, 0},
    {"read_of_another_block", start<read_of_another_block>, 0},
    {"multiply_tf32_swapped", start<multiply<false, true>>, 0},
    {"multiply_bf16_swapped", start<multiply<true, true>>, 0},
    {"unrounded", start<unrounded>, 0},
    {"missing_wait", start<copied<2, true>>, kShared},
    {"missing_barrier_after_wait", start<copied<0, false>>, kShared},
    {"copies_left", start<copies_left>, kShared},
    {"misaligned_copy", start<misaligned_copy>, kShared},
    {"too_little_shared", start<reversed>, 64},
    {nullptr, nullptr, 0},
};

}  // namespace

const Entry* entries() { return kEntries; }

}  // namespace planted
