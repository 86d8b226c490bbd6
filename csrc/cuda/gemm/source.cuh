// Where the elements of a product's operands lie. A source stands for a matrix
// that may exist nowhere: it has a span (the rows of A, the columns of B) and a
// depth, and gives to each thread what the thread asks for.
//   start(span)            chooses the row of A (the column of B)
//   at(slice, within)      the element, or the quad, at depth slice + within
//   load(slice, within)    four numbers, from there on along the depth
//   load(slice, within, further)   or along the span, beginning so much further
//                          than the chosen one: 0, or kSpanStep
//   kKeepDepth             (where quads lie along the depth) whether a thread's
//                          own part of it stays in a register, of which there
//                          are just enough
// Slices begin at multiples of kSliceDepth, which lets a source do once a slice
// what all of its depths have in common.
#pragma once

#include "cuda/device/memory.hpp"

namespace tw::cuda {

constexpr int kSliceDepth = 16;

// Of so many threads each has a quad of one depth, and its next so much further
// along the span.
constexpr int span_step(int threads) { return threads / kSliceDepth * 4; }

// An element of an operand. Where there is none it counts as 0, and `address`
// is not to be read.
struct Place {
  const float* address;
  bool there;

  __device__ __forceinline__ float one() const { return there ? *address : 0; }
  __device__ __forceinline__ float4 four() const {
    float4 quad = make_float4(0, 0, 0, 0);
    if (there) quad = load4(address);
    return quad;
  }
};

}  // namespace tw::cuda
