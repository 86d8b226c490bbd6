// Slices of operands in shared memory, brought there by asynchronous copies,
// and read from there as fragments of tensor-core products.
//
// A slice is kSpan of the span (rows of A, columns of B) by 16 of the depth,
// from a source (source.cuh). A fragment's registers are asked for as "eight of
// the span by four of the depth": lane 4 i + j of a warp gets number (i, j).
// That is how the operands of m16n8k8 lie, and as the order of the depth does
// not matter to a sum, packed operands of m16n8k16 take two of them.
#pragma once

#include "cuda/device/memory.hpp"
#include "cuda/device/ptx.hpp"
#include "cuda/gemm/source.cuh"

namespace tw::cuda {

constexpr int kTensorThreads = 256;
constexpr int kTensorTile = 128;  // rows, and most often columns
constexpr int kTensorDepth = kSliceDepth;
constexpr int kTensorStages = 4;

// Copies a quad, or a number, or writes zeros where there is none.
template <bool kVectors>
__device__ __forceinline__ void copy_place(float* to, const Place& from) {
  if constexpr (kVectors)
    copy_async_16(to, from.address, from.there ? 16 : 0);
  else
    copy_async_4(to, from.address, from.there);
}

// Neighbours in depth are neighbours in memory. Rows of 64 bytes; the four
// 16-byte pieces of a row are exchanged by bits 1 and 2 of its number, so that
// the eight rows of a fragment meet all 32 banks, and so do the four or two
// rows that eight threads write.
template <int kSpan, bool kVectors, class Source>
class DepthTile {
 public:
  using Slice = float[kSpan * kTensorDepth];

  __device__ __forceinline__ DepthTile(const Source& source, int first) {
#pragma unroll
    for (int i = 0; i < kRows; i++) {
      source_[i] = source;
      source_[i].start(first + row(i));
    }
  }

  __device__ __forceinline__ void copy(Slice& slice, int depth) const {
#pragma unroll
    for (int i = 0; i < kRows; i++)
#pragma unroll
      for (int j = 0; j < kPieces; j++) {
        const int within = (threadIdx.x % kLanes + j * kLanes) * kStep;
        copy_place<kVectors>(&slice[place(row(i), within)],
                             source_[i].at(depth, within));
      }
  }

  // Registers of spans [span, span + 8) and [span + 8, span + 16) at depths
  // [depth, depth + 4), then of both at the next four depths.
  static __device__ __forceinline__ void load(const Slice& slice, int span,
                                              int depth, float (&r)[4]) {
    const int lane = threadIdx.x % 32;
    const int row = span + lane % 16;
    uint32_t bits[4];
    ldmatrix_x4(bits, &slice[place(row, depth + lane / 16 * 4)]);
#pragma unroll
    for (int i = 0; i < 4; i++) r[i] = __uint_as_float(bits[i]);
  }

 private:
  static constexpr int kStep = kVectors ? 4 : 1;
  // Threads that share a row, so that sectors of 32 bytes are read whole.
  static constexpr int kLanes = !kVectors ? 16 : kTensorThreads / kSpan;
  static constexpr int kRowsAtOnce = kTensorThreads / kLanes;
  static constexpr int kRows = kSpan / kRowsAtOnce;
  static constexpr int kPieces = kTensorDepth / (kStep * kLanes);

  static __device__ __forceinline__ int row(int i) {
    return threadIdx.x / kLanes + i * kRowsAtOnce;
  }
  static __device__ __forceinline__ int place(int row, int depth) {
    const int turn = (row & 2) | (row >> 2 & 1);
    return row * kTensorDepth + ((depth / 4) ^ turn) * 4 + depth % 4;
  }

  Source source_[kRows];
};

// Neighbours in the span are. Rows begin in banks that differ by 8, so that a
// fragment meets all 32.
template <int kSpan, bool kVectors, class Source>
class SpanTile {
 public:
  static constexpr int kPitch = kSpan + 8;
  using Slice = float[kTensorDepth * kPitch];

  __device__ __forceinline__ SpanTile(const Source& source, int first)
      : source_(source) {
    source_.start(first + column());
  }

  __device__ __forceinline__ void copy(Slice& slice, int depth) const {
    constexpr int kDepthsAtOnce = kTensorThreads / kARow;
#pragma unroll
    for (int i = 0; i < kTensorDepth / kDepthsAtOnce; i++) {
      const int within = threadIdx.x / kARow + i * kDepthsAtOnce;
      copy_place<kVectors>(&slice[within * kPitch + column()],
                           source_.at(depth, within));
    }
  }

  static __device__ __forceinline__ void load(const Slice& slice, int span,
                                              int depth, float (&r)[4]) {
    const int lane = threadIdx.x % 32;
    const float* at = &slice[(depth + lane % 4) * kPitch + span + lane / 4];
    r[0] = at[0];
    r[1] = at[8];
    r[2] = at[4 * kPitch];
    r[3] = at[4 * kPitch + 8];
  }

 private:
  static constexpr int kStep = kVectors ? 4 : 1;
  static constexpr int kARow = kSpan / kStep;  // threads

  static __device__ __forceinline__ int column() {
    return threadIdx.x % kARow * kStep;
  }

  Source source_;
};

}  // namespace tw::cuda
