// A product whose output has too few tiles for a device is cut along its depth:
// each part is stored whole, and the parts are added in their order. Where it
// is cut depends on the sizes alone, so the bits are the same on every device.
#pragma once

#include "common/integers.h"
#include "cuda/gemm/gemm.h"
#include "cuda/gemm/matrix.cuh"
#include "cuda/gemm/tiles.cuh"
#include "cuda/launch.hpp"

namespace tw::cuda {

constexpr int64_t kDepthStep = 16;

struct Split {
  int64_t count, depth;  // parts, and the depth of each but the last

  // Parts begin at multiples of `step`; `enough` tiles are left whole.
  Split(int64_t tiles, int64_t whole_depth, int64_t step = kDepthStep,
        int64_t enough = kEnoughTiles, int64_t least = kLeastDepth) {
    const int64_t wanted = ceil_div(enough, tiles > 0 ? tiles : 1);
    const int64_t most = most_splits(whole_depth, least);
    count = wanted < most ? wanted : most;
    depth = round_up(ceil_div(whole_depth, count), step);
    if (depth < step) depth = step;
    count = whole_depth > depth ? ceil_div(whole_depth, depth) : 1;
  }
};

// For a product of such tiles, of which there are so many.
inline Split split_of_tiles(SimtTile tile, int64_t tiles, int64_t depth) {
  const bool few = tile.rows == 16 || tile.columns == 16;
  return Split(tiles, depth, kDepthStep,
               kEnoughTiles * 256 / simt_threads(tile.rows, tile.columns),
               few ? kLeastDepthOfFew : kLeastDepth);
}

// C, with what the product does to it.
inline MatrixStore store_of(const GemmProblem& q) {
  const bool vectors =
      quads_aligned(q.c, q.n, q.n) && (!q.bias || quads_aligned(q.bias, 0, 0));
  return {q.c, q.m, q.n, q.n, q.bias, q.activation, q.accumulate, vectors};
}

// The first of the parts of C, each without gaps.
inline MatrixStore store_of_part(const GemmProblem& q, float* parts) {
  return {parts,   q.m,
          q.n,     q.n,
          nullptr, Activation::none,
          false,   quads_aligned(parts, q.n, q.n)};
}

// Adds `splits` parts of `store.rows` x `store.columns` numbers, each without
// gaps, and stores the sums.
void add_splits(const float* parts, int64_t splits, const MatrixStore& store,
                Stream stream);

}  // namespace tw::cuda
