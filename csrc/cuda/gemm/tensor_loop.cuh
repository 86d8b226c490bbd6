// The main loop of products on tensor cores, of matrices and of convolutions.
//
// A block of eight warps computes 128 x 128 or 128 x 64 outputs, each warp 64 x
// 32 or 32 x 32 of them in fragments of 16 x 8. Four slices of the operands are
// in shared memory or on their way there, so that the copies of three slices
// hide behind the products of one; operands are narrowed in registers, on their
// way to the tensor cores:
//   tf32     rounded to 10 bits of mantissa, relative error about 5e-4
//   bf16     rounded to 7 bits, relative error about 4e-3
//   tf32x3   x = big + small, both tf32: big big + big small + small big, which
//            leaves about 2^-21 (NVIDIA's CUTLASS calls it 3xTF32); infinity
//            has no remainder, and becomes NaN
// All sums are in float32.
#pragma once

#include "cuda/gemm/tensor_tiles.cuh"
#include "cuda/precision.h"

namespace tw::cuda {

template <int kColumns, class A, class B>
struct TensorShared {
  struct Stage {
    typename A::Slice a;
    typename B::Slice b;
  };
  static constexpr int kStagedPitch = kColumns + 8;
  union {
    Stage stages[kTensorStages];
    float staged[kTensorTile * kStagedPitch];
  };
};

// The sums of a warp.
template <int kColumns>
struct TensorSum {
  static constexpr int kWarpsOfRows = kColumns == 128 ? 2 : 4;
  static constexpr int kWarpRows = kTensorTile / kWarpsOfRows;
  static constexpr int kWarpColumns = 32;
  static constexpr int kRowTiles = kWarpRows / 16;
  static constexpr int kColumnTiles = kWarpColumns / 8;
  static_assert(kTensorThreads / 32 / kWarpsOfRows * kWarpColumns == kColumns);

  // of[i][j]: the fragment of rows 16 i and columns 8 j.
  float of[kRowTiles][kColumnTiles][4] = {};

  // The first of the warp's rows and columns.
  static __device__ __forceinline__ int row() {
    return threadIdx.x / 32 % kWarpsOfRows * kWarpRows;
  }
  static __device__ __forceinline__ int column() {
    return threadIdx.x / 32 / kWarpsOfRows * kWarpColumns;
  }
};

// Eight of the depth, of float32 from shared memory.
template <class Sum>
struct Operands {
  float a[Sum::kRowTiles][4];  // a fragment of m16n8k8 each
  // Two of columns: {j, j + 8} x {depth, + 4}.
  float b[Sum::kColumnTiles / 2][4];

  __device__ __forceinline__ float of_b(int j, int half) const {
    return b[j / 2][j % 2 + 2 * half];
  }
};

template <Precision kPrecision, class Sum>
__device__ __forceinline__ void multiply_tf32(const Operands<Sum>& x,
                                              Sum& sum) {
  constexpr bool kThree = kPrecision == Precision::tf32x3;
  constexpr int kColumnTiles = Sum::kColumnTiles;
  uint32_t b[kColumnTiles][2], small_b[kColumnTiles][2];
#pragma unroll
  for (int j = 0; j < kColumnTiles; j++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float value = x.of_b(j, half);
      b[j][half] = to_tf32(value);
      if (kThree)
        small_b[j][half] = to_tf32(value - __uint_as_float(b[j][half]));
    }
#pragma unroll
  for (int i = 0; i < Sum::kRowTiles; i++) {
    uint32_t a[4], small_a[4];
#pragma unroll
    for (int r = 0; r < 4; r++) {
      a[r] = to_tf32(x.a[i][r]);
      if (kThree) small_a[r] = to_tf32(x.a[i][r] - __uint_as_float(a[r]));
    }
#pragma unroll
    for (int j = 0; j < kColumnTiles; j++) {
      if (kThree) {
        mma_m16n8k8_tf32(sum.of[i][j], small_a, b[j]);
        mma_m16n8k8_tf32(sum.of[i][j], a, small_b[j]);
      }
      mma_m16n8k8_tf32(sum.of[i][j], a, b[j]);
    }
  }
}

// Two times eight of the depth as sixteen, in an order of our own.
template <class Sum>
__device__ __forceinline__ void multiply_bf16(const Operands<Sum> (&x)[2],
                                              Sum& sum) {
  constexpr int kColumnTiles = Sum::kColumnTiles;
  uint32_t b[kColumnTiles][2];
#pragma unroll
  for (int j = 0; j < kColumnTiles; j++)
#pragma unroll
    for (int half = 0; half < 2; half++)
      b[j][half] = to_bf16_pair(x[half].of_b(j, 0), x[half].of_b(j, 1));
#pragma unroll
  for (int i = 0; i < Sum::kRowTiles; i++) {
    uint32_t a[4];
#pragma unroll
    for (int r = 0; r < 4; r++)
      a[r] = to_bf16_pair(x[r / 2].a[i][r % 2], x[r / 2].a[i][r % 2 + 2]);
#pragma unroll
    for (int j = 0; j < kColumnTiles; j++)
      mma_m16n8k16_bf16(sum.of[i][j], a, b[j]);
  }
}

template <class A, class B, class Stage, class Sum>
__device__ __forceinline__ void load_operands(const Stage& stage, int depth,
                                              Operands<Sum>& x) {
#pragma unroll
  for (int i = 0; i < Sum::kRowTiles; i++)
    A::load(stage.a, Sum::row() + 16 * i, depth, x.a[i]);
#pragma unroll
  for (int j = 0; j < Sum::kColumnTiles / 2; j++)
    B::load(stage.b, Sum::column() + 16 * j, depth, x.b[j]);
}

template <Precision kPrecision, class A, class B, class Stage, class Sum>
__device__ __forceinline__ void add_slice(const Stage& stage, Sum& sum) {
  if constexpr (kPrecision == Precision::bf16) {
    Operands<Sum> x[2];
    load_operands<A, B>(stage, 0, x[0]);
    load_operands<A, B>(stage, 8, x[1]);
    multiply_bf16(x, sum);
  } else {
#pragma unroll
    for (int depth = 0; depth < kTensorDepth; depth += 8) {
      Operands<Sum> x;
      load_operands<A, B>(stage, depth, x);
      multiply_tf32<kPrecision>(x, sum);
    }
  }
}

// Adds the products of slices [begin, end) of the depth.
template <Precision kPrecision, int kColumns, class A, class B>
__device__ __forceinline__ void tensor_multiply(
    TensorShared<kColumns, A, B>& shared, const A& a, const B& b, int begin,
    int end, TensorSum<kColumns>& sum) {
  const int slices = (end - begin + kTensorDepth - 1) / kTensorDepth;
  const auto copy = [&](int slice) {
    if (slice < slices) {
      auto& stage = shared.stages[slice % kTensorStages];
      a.copy(stage.a, begin + slice * kTensorDepth);
      b.copy(stage.b, begin + slice * kTensorDepth);
    }
    commit_copies();  // an empty group keeps the count
  };
  for (int slice = 0; slice < kTensorStages - 1; slice++) copy(slice);
  for (int slice = 0; slice < slices; slice++) {
    wait_for_copies<kTensorStages - 2>();
    __syncthreads();  // the slice is there, and the one before is done with
    copy(slice + kTensorStages - 1);
    add_slice<kPrecision, A, B>(shared.stages[slice % kTensorStages], sum);
  }
  wait_for_copies<0>();
  __syncthreads();
}

// Puts all of the sums into shared memory.
template <class Shared, class Sum>
__device__ __forceinline__ void tensor_stage(Shared& shared, const Sum& sum) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < Sum::kRowTiles; i++)
#pragma unroll
    for (int j = 0; j < Sum::kColumnTiles; j++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int r = Sum::row() + 16 * i + lane / 4 + 8 * half;
        const int c = Sum::column() + 8 * j + lane % 4 * 2;
        const float* two = &sum.of[i][j][2 * half];
        store_vector(&shared.staged[r * Shared::kStagedPitch + c],
                     make_float2(two[0], two[1]));
      }
  __syncthreads();
}

// store(row, column, four numbers) for each quad of the tile, by way of shared
// memory, so that whole rows are written.
template <int kColumns, class A, class B, class Store>
__device__ __forceinline__ void tensor_store(
    TensorShared<kColumns, A, B>& shared, const TensorSum<kColumns>& sum,
    const Store& store) {
  tensor_stage(shared, sum);
  constexpr int kQuads = kColumns / 4;
  const int c = threadIdx.x % kQuads * 4;
#pragma unroll 1
  for (int r = threadIdx.x / kQuads; r < kTensorTile;
       r += kTensorThreads / kQuads)
    store(r, c, load4(&shared.staged[r * shared.kStagedPitch + c]));
}

}  // namespace tw::cuda
