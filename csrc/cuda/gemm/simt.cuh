// The main loop of every float32 product, of matrices and of convolutions, on
// the ordinary arithmetic units.
//
// A block computes a tile of outputs over slices of 16 in depth, each thread up
// to 8 x 8 of them (in quads, so that shared memory is read 128 bits at a
// time without conflicts). Two slices lie in shared memory: while one is
// multiplied, the next is on its way from global memory in registers, and one
// barrier a slice is enough. An 8 x 8 thread does 64 multiplications for 16
// numbers read, which is what makes it bound by arithmetic:
//   128 x 128   256 threads of 8 x 8
//   128 x 64    128 threads of 8 x 8, for outputs of up to 64 columns
//   64 x 64     256 threads of 4 x 4, for outputs so small that a block must
//               keep a multiprocessor busy by itself (tiles.cuh)
//   16 x 128    64 threads of 4 x 8 or 8 x 4, for outputs of few rows or
//   128 x 16    columns: bound by memory, of which eight such blocks on a
//               multiprocessor have 64 KB on their way
//
// Where a matrix comes from is the affair of a source (source.cuh).
#pragma once

#include "cuda/device/activation.hpp"
#include "cuda/device/memory.hpp"
#include "cuda/device/ptx.hpp"
#include "cuda/gemm/source.cuh"
#include "cuda/gemm/tiles.cuh"

namespace tw::cuda {

constexpr int kSimtDepth = kSliceDepth;
// Of a large tile's sums, so many rows at a time are put into shared memory.
constexpr int kStagedRows = 64;
constexpr int staged_rows(int rows) {
  return rows < kStagedRows ? rows : kStagedRows;
}
// A row of 16 is half of the banks. With one left out after every four, rows of
// neighbouring threads, four apart, lie in different halves.
constexpr int staged_place(int row, int columns) {
  return columns == 16 ? row + row / 4 : row;
}

// Rows of a slice begin in banks that differ by 4, for quads along the depth.
template <int kSize>
using SimtSlice = float[kSimtDepth][kSize + 4];

template <int kRows, int kColumns>
struct SimtShared {
  union {
    struct {
      SimtSlice<kRows> a[2];
      SimtSlice<kColumns> b[2];
    } slices;
    float staged[staged_place(staged_rows(kRows), kColumns)][kColumns];
  };
};

// Slices of a matrix whose neighbours in memory are neighbours in depth: quads
// are turned on their way into shared memory. Two lanes share a row, 16 rows a
// warp, so that 32-byte sectors are read whole and stores meet 32 banks.
template <int kSize, int kThreads, class Source>
class DepthQuads {
 public:
  __device__ __forceinline__ DepthQuads(const Source& source, int span) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int row = warp / kWarpsARow * 16 + lane / 2;
    const int depth = (warp % kWarpsARow * 2 + lane % 2) * 4;
    depth_ = Source::kKeepDepth ? kept(depth) : depth;
#pragma unroll
    for (int i = 0; i < kRows; i++) {
      source_[i] = source;
      source_[i].start(span + row + kRowsAtOnce * i);
    }
    place_ = depth_ * kPitch + row;
  }
  __device__ __forceinline__ void fetch(int slice) {
#pragma unroll
    for (int i = 0; i < kRows; i++)
#pragma unroll
      for (int j = 0; j < kQuads; j++)
        held_[i][j] = source_[i].load(slice, depth_ + 4 * kLanes * j);
  }
  __device__ __forceinline__ void put(SimtSlice<kSize>& slice) const {
#pragma unroll
    for (int i = 0; i < kRows; i++)
#pragma unroll
      for (int j = 0; j < kQuads; j++) {
        float* to = &slice[4 * kLanes * j][kRowsAtOnce * i] + place_;
        to[0] = held_[i][j].x;
        to[kPitch] = held_[i][j].y;
        to[2 * kPitch] = held_[i][j].z;
        to[3 * kPitch] = held_[i][j].w;
      }
  }

 private:
  // Threads of a row: two, or what there is for one quad each.
  static constexpr int kLanes = kThreads / kSize > 2 ? kThreads / kSize : 2;
  static constexpr int kWarpsARow = kLanes / 2;
  static constexpr int kRowsAtOnce = kThreads / kLanes;
  static constexpr int kRows = kSize / kRowsAtOnce;
  static constexpr int kQuads = kSimtDepth / 4 / kLanes;
  static constexpr int kPitch = kSize + 4;
  Source source_[kRows];
  int depth_, place_;  // and where the first number goes in a slice
  float4 held_[kRows][kQuads];
};

// Slices of a matrix whose neighbours in memory lie along the span. A thread's
// quads are of one depth, which it finds once.
template <int kSize, int kThreads, class Source>
class SpanQuads {
 public:
  __device__ __forceinline__ SpanQuads(const Source& source, int span)
      : source_(source) {
    const int column = threadIdx.x % kLanes * 4;
    const int number = threadIdx.x / kLanes;
    // Eight neighbouring threads store to all 32 banks: where they have two
    // depths, these are four apart.
    depth_ =
        kLanes > 4 ? number : number % 2 * 4 + number / 2 % 4 + number / 8 * 8;
    source_.start(span + column);
    place_ = depth_ * (kSize + 4) + column;
  }
  __device__ __forceinline__ void fetch(int slice) {
#pragma unroll
    for (int i = 0; i < kQuads; i++)
      held_[i] = source_.load(slice, depth_, kStep * i);
  }
  __device__ __forceinline__ void put(SimtSlice<kSize>& slice) const {
#pragma unroll
    for (int i = 0; i < kQuads; i++)
      store4(&slice[0][kStep * i] + place_, held_[i]);
  }

 private:
  static constexpr int kStep = span_step(kThreads);
  static constexpr int kLanes = kStep / 4;
  static constexpr int kQuads = kSize / kStep;
  Source source_;
  int depth_, place_;  // and where the first number goes in a slice
  float4 held_[kQuads];
};

template <int kRows, int kColumns>
struct SimtSum {
  static constexpr int kThreads = simt_threads(kRows, kColumns);
  static constexpr SimtTile kEach = simt_each(kRows, kColumns);
  static constexpr int kLanes = kColumns / kEach.columns;  // threads of a row
  static_assert(kThreads / kLanes * kEach.rows == kRows);
  float of[kEach.rows][kEach.columns] = {};

  // A thread's rows 0-3 are neighbours, and so are 4-7, which lie as far from
  // them as all threads' rows 0-3 reach; its columns likewise.
  static __device__ __forceinline__ int row() {
    return threadIdx.x / kLanes * 4;
  }
  static __device__ __forceinline__ int column() {
    return threadIdx.x % kLanes * 4;
  }
  static constexpr int kRowQuads = kEach.rows / 4;
  static constexpr int kColumnQuads = kEach.columns / 4;
  static constexpr int kRowStep = kRows / kRowQuads;
  static constexpr int kColumnStep = kColumns / kColumnQuads;

  __device__ __forceinline__ void add_slice(const SimtSlice<kRows>& a,
                                            const SimtSlice<kColumns>& b) {
#pragma unroll
    for (int depth = 0; depth < kSimtDepth; depth++) {
      float left[kEach.rows], right[kEach.columns];
#pragma unroll
      for (int i = 0; i < kRowQuads; i++)
        unpack(load4(&a[depth][row() + kRowStep * i]), left + 4 * i);
#pragma unroll
      for (int j = 0; j < kColumnQuads; j++)
        unpack(load4(&b[depth][column() + kColumnStep * j]), right + 4 * j);
#pragma unroll
      for (int i = 0; i < kEach.rows; i++)
#pragma unroll
        for (int j = 0; j < kEach.columns; j++) of[i][j] += left[i] * right[j];
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
template <int kRows, int kColumns, class A, class B>
__device__ __forceinline__ void simt_multiply(
    SimtShared<kRows, kColumns>& shared, A& a, B& b, int begin, int end,
    SimtSum<kRows, kColumns>& sum) {
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
    now ^= 1;
    if (more) {
      a.put(slices.a[now]);
      b.put(slices.b[now]);
    }
    __syncthreads();
  }
}

// Puts part of the sums into shared memory: all rows of which threads have the
// same quad, in the order of the tile.
template <int kRows, int kColumns>
__device__ __forceinline__ void simt_stage(SimtShared<kRows, kColumns>& shared,
                                           const SimtSum<kRows, kColumns>& sum,
                                           int part) {
  using Sum = SimtSum<kRows, kColumns>;
#pragma unroll
  for (int quad = 0; quad < Sum::kRowQuads; quad++) {
    if (quad != part) continue;
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
      for (int j = 0; j < Sum::kColumnQuads; j++) {
        const float* four = &sum.of[4 * quad + i][4 * j];
        store4(&shared.staged[staged_place(sum.row() + i, kColumns)]
                             [sum.column() + Sum::kColumnStep * j],
               make_float4(four[0], four[1], four[2], four[3]));
      }
  }
}

// store(row, column, four numbers) for each quad of the tile, by way of shared
// memory: a loop that is not unrolled keeps the epilogue's code small.
template <int kRows, int kColumns, class Store>
__device__ __forceinline__ void simt_store(SimtShared<kRows, kColumns>& shared,
                                           const SimtSum<kRows, kColumns>& sum,
                                           const Store& store) {
  using Sum = SimtSum<kRows, kColumns>;
  constexpr int kQuadsARow = kColumns / 4;
  constexpr int kRowsAStep = Sum::kThreads / kQuadsARow;
#pragma unroll
  for (int part = 0; part < Sum::kRowQuads; part++) {
    simt_stage(shared, sum, part);
    __syncthreads();
    const int column = threadIdx.x % kQuadsARow * 4;
#pragma unroll 1
    for (int row = threadIdx.x / kQuadsARow; row < Sum::kRowStep;
         row += kRowsAStep)
      store(part * Sum::kRowStep + row, column,
            load4(&shared.staged[staged_place(row, kColumns)][column]));
    __syncthreads();
  }
}

}  // namespace tw::cuda
