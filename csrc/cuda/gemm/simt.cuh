// The main loop of every float32 product, of matrices and of convolutions, on
// the ordinary arithmetic units.
//
// A block of 256 threads computes a tile of 128 x 128 or 64 x 64 outputs, each
// thread 8 x 8 or 4 x 4 of them (in quads, so that shared memory is read 128
// bits at a time without conflicts), over slices of 16 in depth. Two slices lie
// in shared memory: while one is multiplied, the next is on its way from global
// memory in registers, and one barrier a slice is enough. An 8 x 8 thread does
// 64 multiplications for 16 numbers read, which is what makes it bound by
// arithmetic.
//
// Where a matrix comes from is the affair of a source (source.cuh).
#pragma once

#include "cuda/device/activation.hpp"
#include "cuda/device/memory.hpp"
#include "cuda/gemm/source.cuh"

namespace tw::cuda {

constexpr int kSimtThreads = 256;
// Two blocks of the large tile fill a multiprocessor's registers without
// spills.
constexpr int kSimtBlocks = 2;
constexpr int kSimtDepth = kSliceDepth;
constexpr int kStagedRows = 64;

// Rows of a slice begin in banks that differ by 4, for quads along the depth.
template <int kSize>
using SimtSlice = float[kSimtDepth][kSize + 4];

template <int kSize>
struct SimtShared {
  union {
    struct {
      SimtSlice<kSize> a[2], b[2];
    } slices;
    float staged[kStagedRows][kSize];
  };
};

// Slices of a matrix whose neighbours in memory are neighbours in depth: quads
// are turned on their way into shared memory. Two lanes share a row, 16 rows a
// warp, so that 32-byte sectors are read whole and stores meet 32 banks.
template <int kSize, class Source>
class DepthQuads {
 public:
  __device__ __forceinline__ DepthQuads(const Source& source, int span)
      : source_(source) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    row_ = (kSize == 128 ? warp : warp / 2) * 16 + lane / 2;
    depth_ = ((kSize == 128 ? 0 : warp % 2 * 2) + lane % 2) * 4;
    source_.start(span + row_);
  }
  __device__ __forceinline__ void fetch(int slice) {
#pragma unroll
    for (int i = 0; i < kQuads; i++)
      held_[i] = source_.load(slice, depth_ + 8 * i);
  }
  __device__ __forceinline__ void put(SimtSlice<kSize>& slice) const {
#pragma unroll
    for (int i = 0; i < kQuads; i++) {
      const int depth = depth_ + 8 * i;
      slice[depth][row_] = held_[i].x;
      slice[depth + 1][row_] = held_[i].y;
      slice[depth + 2][row_] = held_[i].z;
      slice[depth + 3][row_] = held_[i].w;
    }
  }

 private:
  static constexpr int kQuads = kSize * kSimtDepth / 4 / kSimtThreads;
  Source source_;
  int row_, depth_;
  float4 held_[kQuads];
};

// Slices of a matrix whose neighbours in memory lie along the span. A thread's
// quads are of one depth, which it finds once.
template <int kSize, class Source>
class SpanQuads {
 public:
  __device__ __forceinline__ SpanQuads(const Source& source, int span)
      : source_(source) {
    column_ = threadIdx.x % kLanes * 4;
    depth_ = threadIdx.x / kLanes;
    source_.start(span + column_);
  }
  __device__ __forceinline__ void fetch(int slice) {
#pragma unroll
    for (int i = 0; i < kQuads; i++)
      held_[i] = source_.load(slice, depth_, kSpanStep * i);
  }
  __device__ __forceinline__ void put(SimtSlice<kSize>& slice) const {
#pragma unroll
    for (int i = 0; i < kQuads; i++)
      store4(&slice[depth_][column_ + kSpanStep * i], held_[i]);
  }

 private:
  static constexpr int kLanes = kSimtThreads / kSimtDepth;
  static constexpr int kQuads = kSize / 4 / kLanes;
  Source source_;
  int column_, depth_;
  float4 held_[kQuads];
};

template <int kSize>
struct SimtSum {
  static constexpr int kEdge = kSize / 16;
  float of[kEdge][kEdge] = {};

  // Of a thread's rows (columns) 0-3 are neighbours, and 4-7 lie 64 further.
  static __device__ __forceinline__ int row() { return threadIdx.x / 16 * 4; }
  static __device__ __forceinline__ int column() {
    return threadIdx.x % 16 * 4;
  }

  __device__ __forceinline__ void add_slice(const SimtSlice<kSize>& a,
                                            const SimtSlice<kSize>& b) {
#pragma unroll
    for (int depth = 0; depth < kSimtDepth; depth++) {
      float left[kEdge], right[kEdge];
#pragma unroll
      for (int i = 0; i < kEdge; i += 4) {
        unpack(load4(&a[depth][row() + 16 * i]), left + i);
        unpack(load4(&b[depth][column() + 16 * i]), right + i);
      }
#pragma unroll
      for (int i = 0; i < kEdge; i++)
#pragma unroll
        for (int j = 0; j < kEdge; j++) of[i][j] += left[i] * right[j];
    }
  }

 private:
  static __device__ __forceinline__ void unpack(float4 quad, float* to) {
    to[0] = quad.x;
    to[1] = quad.y;
    to[2] = quad.z;
    to[3] = quad.w;
  }
};

// Adds the products of slices [begin, end) of the depth.
template <int kSize, class A, class B>
__device__ __forceinline__ void simt_multiply(SimtShared<kSize>& shared, A& a,
                                              B& b, int begin, int end,
                                              SimtSum<kSize>& sum) {
  auto& slices = shared.slices;
  a.fetch(begin);
  b.fetch(begin);
  a.put(slices.a[0]);
  b.put(slices.b[0]);
  __syncthreads();
  int now = 0;
  for (int depth = begin; depth < end; depth += kSimtDepth) {
    const bool more = depth + kSimtDepth < end;
    if (more) {
      a.fetch(depth + kSimtDepth);
      b.fetch(depth + kSimtDepth);
    }
    sum.add_slice(slices.a[now], slices.b[now]);
    if (more) {
      a.put(slices.a[now ^ 1]);
      b.put(slices.b[now ^ 1]);
    }
    now ^= 1;
    __syncthreads();
  }
}

// Puts 64 rows of the sums at a time into shared memory.
template <int kSize>
__device__ __forceinline__ void simt_stage(SimtShared<kSize>& shared,
                                           const SimtSum<kSize>& sum,
                                           int part) {
  constexpr int kEdge = SimtSum<kSize>::kEdge;
#pragma unroll
  for (int half = 0; half < kEdge / 4; half++) {
    if (half != part) continue;
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
      for (int j = 0; j < kEdge; j += 4) {
        const float* four = &sum.of[4 * half + i][j];
        store4(&shared.staged[sum.row() + i][sum.column() + 16 * j],
               make_float4(four[0], four[1], four[2], four[3]));
      }
  }
}

// store(row, column, four numbers) for each quad of the tile, by way of shared
// memory: a loop that is not unrolled keeps the epilogue's code small.
template <int kSize, class Store>
__device__ __forceinline__ void simt_store(SimtShared<kSize>& shared,
                                           const SimtSum<kSize>& sum,
                                           const Store& store) {
  constexpr int kQuadsARow = kSize / 4;
  constexpr int kRowsAStep = kSimtThreads / kQuadsARow;
#pragma unroll
  for (int part = 0; part < kSize / kStagedRows; part++) {
    simt_stage(shared, sum, part);
    __syncthreads();
    const int column = threadIdx.x % kQuadsARow * 4;
#pragma unroll 1
    for (int row = threadIdx.x / kQuadsARow; row < kStagedRows;
         row += kRowsAStep)
      store(part * kStagedRows + row, column,
            load4(&shared.staged[row][column]));
    __syncthreads();
  }
}

}  // namespace tw::cuda
