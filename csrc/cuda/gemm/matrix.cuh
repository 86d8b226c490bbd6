// Row-major matrices as sources of the main loops, and as what they write to.
#pragma once

#include "cuda/device/activation.hpp"
#include "cuda/device/ptx.hpp"
#include "cuda/gemm/source.cuh"

namespace tw::cuda {

// Neighbours in depth are neighbours in memory: data[span * pitch + depth].
// kVectors: quads are aligned and never straddle the end.
template <bool kVectors>
struct DepthMatrix {
  static constexpr bool kKeepDepth = true;
  const float* data;
  int pitch;
  int spans, depths;

  __device__ __forceinline__ void start(int span) {
    inside_ = span < spans;
    row_ = data + (inside_ ? int64_t{span} * pitch : 0);
  }
  __device__ __forceinline__ Place at(int slice, int within) const {
    const int depth = slice + within;
    return {row_ + depth, inside_ && depth < depths};
  }
  __device__ __forceinline__ float4 load(int slice, int within) const {
    const int depth = slice + within;
    float4 quad = make_float4(0, 0, 0, 0);
    if (!inside_) return quad;
    if constexpr (kVectors) {
      if (depth < depths) quad = load4(row_ + depth);
    } else {
      if (depth < depths) quad.x = row_[depth];
      if (depth + 1 < depths) quad.y = row_[depth + 1];
      if (depth + 2 < depths) quad.z = row_[depth + 2];
      if (depth + 3 < depths) quad.w = row_[depth + 3];
    }
    return quad;
  }

  bool inside_;
  const float* row_;
};

// Neighbours in the span are: data[depth * pitch + span].
template <bool kVectors>
struct SpanMatrix {
  const float* data;
  int pitch;
  int spans, depths;

  __device__ __forceinline__ void start(int span) {
    left_ = spans - span;
    column_ = data + span;
    if constexpr (kVectors) pitch = pitch * 4;  // bytes
  }
  __device__ __forceinline__ Place at(int slice, int within) const {
    const int depth = slice + within;
    return {row(depth), left_ > 0 && depth < depths};
  }
  __device__ __forceinline__ float4 load(int slice, int within,
                                         int further) const {
    const int depth = slice + within;
    const float* at = row(depth) + further;
    if constexpr (kVectors)
      return Place{at, depth < depths && left_ > further}.four();
    float4 quad = make_float4(0, 0, 0, 0);
    if (depth >= depths || left_ <= further) return quad;
    quad.x = at[0];
    if (left_ > further + 1) quad.y = at[1];
    if (left_ > further + 2) quad.z = at[2];
    if (left_ > further + 3) quad.w = at[3];
    return quad;
  }

  __device__ __forceinline__ const float* row(int depth) const {
    if constexpr (kVectors)
      return tw::cuda::further(column_, depth, pitch);
    else
      return column_ + int64_t{depth} * pitch;
  }

  int left_;  // columns from this one to the end
  const float* column_;
};

// The result: bias, what was there before, activation.
struct MatrixStore {
  float* data;
  int64_t rows, columns, pitch;
  const float* bias;  // null: none
  Activation activation;
  bool accumulate, vectors;

  __device__ __forceinline__ void operator()(int64_t row, int64_t column,
                                             float4 quad) const {
    if (row >= rows || column >= columns) return;
    float* at = data + row * pitch + column;
    if (vectors) {
      if (accumulate) quad = sum(quad, load4(at));
      if (bias) quad = sum(quad, load4(bias + column));
      store4(at, activate(activation, quad));
      return;
    }
    const float value[4] = {quad.x, quad.y, quad.z, quad.w};
#pragma unroll
    for (int i = 0; i < 4; i++)
      if (column + i < columns) {
        float v = value[i];
        if (accumulate) v += at[i];
        if (bias) v += bias[column + i];
        at[i] = activate(activation, v);
      }
  }

  static __device__ __forceinline__ float4 sum(float4 a, float4 b) {
    return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
  }
};

// Whether quads of a matrix can be read and written whole; the bytes of a row
// are then an int.
inline bool quads_aligned(const void* data, int64_t pitch, int64_t columns) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0 && pitch % 4 == 0 &&
         columns % 4 == 0 && pitch < int64_t{1} << 29;
}

}  // namespace tw::cuda
