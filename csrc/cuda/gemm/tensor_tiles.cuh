// Slices of float32 matrices in shared memory, brought there by asynchronous
// copies, and read from there as fragments of tensor-core products.
//
// A slice is 128 of the span (rows of A, columns of B) by 16 of the depth. A
// fragment's registers are asked for as "eight of the span by four of the
// depth": lane 4 i + j of a warp gets number (i, j). That is how the operands
// of m16n8k8 lie, and as the order of the depth does not matter to a sum,
// packed operands of m16n8k16 take two of them.
#pragma once

#include "cuda/device/memory.hpp"
#include "cuda/device/ptx.hpp"

namespace tw::cuda {

constexpr int kTensorThreads = 256;
constexpr int kTensorTile = 128;
constexpr int kTensorDepth = 16;
constexpr int kTensorStages = 4;

// Neighbours in depth are neighbours in memory: data[span * pitch + depth].
// Rows of 64 bytes; the four 16-byte pieces of a row are exchanged by bits 1
// and 2 of its number, so that the eight rows of a fragment meet all 32 banks.
template <bool kVectors>
class DepthTile {
 public:
  using Slice = float[kTensorTile * kTensorDepth];

  __device__ __forceinline__ DepthTile(const float* data, int pitch, int spans,
                                       int depths, int first)
      : data_(data + int64_t{first} * pitch),
        pitch_(pitch),
        spans_(spans - first),
        depths_(depths) {}

  __device__ __forceinline__ void copy(Slice& slice, int depth) const {
    constexpr int kStep = kVectors ? 4 : 1;
    constexpr int kARow = kTensorDepth / kStep;
    constexpr int kTimes = kTensorTile * kARow / kTensorThreads;
#pragma unroll
    for (int i = 0; i < kTimes; i++) {
      const int number = threadIdx.x + i * kTensorThreads;
      const int row = number / kARow, at = number % kARow * kStep;
      const bool there = row < spans_ && depth + at < depths_;
      const float* from =
          there ? data_ + int64_t{row} * pitch_ + depth + at : data_;
      float* to = &slice[place(row, at)];
      if constexpr (kVectors)
        copy_async_16(to, from, there ? 16 : 0);
      else
        copy_async_4(to, from, there);
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
  static __device__ __forceinline__ int place(int row, int depth) {
    return row * kTensorDepth + ((depth / 4) ^ (row / 2 & 3)) * 4 + depth % 4;
  }

  const float* data_;
  int pitch_, spans_, depths_;
};

// Neighbours in the span are: data[depth * pitch + span]. Rows of 128 floats
// begin in banks that differ by 8, so that a fragment meets all 32.
template <bool kVectors>
class SpanTile {
 public:
  static constexpr int kPitch = kTensorTile + 8;
  using Slice = float[kTensorDepth * kPitch];

  __device__ __forceinline__ SpanTile(const float* data, int pitch, int spans,
                                      int depths, int first)
      : data_(data + first),
        pitch_(pitch),
        spans_(spans - first),
        depths_(depths) {}

  __device__ __forceinline__ void copy(Slice& slice, int depth) const {
    constexpr int kStep = kVectors ? 4 : 1;
    constexpr int kARow = kTensorTile / kStep;
    constexpr int kTimes = kTensorDepth * kARow / kTensorThreads;
#pragma unroll
    for (int i = 0; i < kTimes; i++) {
      const int number = threadIdx.x + i * kTensorThreads;
      const int row = number / kARow, at = number % kARow * kStep;
      const bool there = depth + row < depths_ && at < spans_;
      const float* from =
          there ? data_ + int64_t{depth + row} * pitch_ + at : data_;
      float* to = &slice[row * kPitch + at];
      if constexpr (kVectors)
        copy_async_16(to, from, there ? 16 : 0);
      else
        copy_async_4(to, from, there);
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
  const float* data_;
  int pitch_, spans_, depths_;
};

}  // namespace tw::cuda
