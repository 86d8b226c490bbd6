// What the three passes share: a product per group of channels, cut along its
// depth where there are few tiles.
#pragma once

#include "cuda/conv2d/geometry.cuh"
#include "cuda/gemm/matrix.cuh"
#include "cuda/gemm/simt.cuh"
#include "cuda/gemm/split.cuh"
#include "cuda/gemm/tiles.cuh"

namespace tw::cuda {

// The product's sizes for one group.
struct ConvProduct {
  int64_t rows, columns, depth, groups;

  int tile_size() const { return large_tiles(rows, columns) ? 128 : 64; }
  TileGrid tiles() const { return TileGrid(rows, columns, tile_size()); }
  Split split() const { return Split(tiles().count() * groups, depth); }
  int64_t workspace() const {
    const int64_t splits = split().count;
    return splits > 1 ? splits * rows * columns * groups : 0;
  }
};

template <class Geometry>
struct ConvArguments {
  Geometry geometry;
  const float *a, *b;
  int64_t group_a, group_b;  // floats from one group's to the next
  int depth, split_depth;
  TileGrid tiles;
  MatrixStore store;  // of the first group and part
  int64_t group_columns, part_size;
};

// A tile of one group and part; Left and Right make the sources.
template <int kSize, class LeftQuads, class RightQuads, class Left, class Right,
          class Geometry>
__device__ __forceinline__ void conv_tile(const ConvArguments<Geometry>& p,
                                          const Left& left,
                                          const Right& right) {
  auto& shared = shared_memory<SimtShared<kSize>>();
  int row, column;
  p.tiles.place(blockIdx.x, kSize, row, column);
  LeftQuads a(left, row);
  RightQuads b(right, column);
  const int begin = static_cast<int>(blockIdx.y) * p.split_depth;
  const int end =
      p.depth - begin < p.split_depth ? p.depth : begin + p.split_depth;
  SimtSum<kSize> sum;
  simt_multiply(shared, a, b, begin, end, sum);

  MatrixStore store = p.store;
  const int64_t first = blockIdx.z * p.group_columns;
  store.data += blockIdx.y * p.part_size + first;
  if (store.bias) store.bias += first;
  simt_store(shared, sum, [&](int r, int c, float4 quad) {
    store(row + r, column + c, quad);
  });
}

// Where the parts go, and the launch's arguments. `result` has the columns of
// one group and the pitch of all.
inline ConvArguments<ConvGeometry> conv_arguments(
    const ConvProduct& product, const ConvShape& shape, const float* a,
    int64_t group_a, const float* b, int64_t group_b, const MatrixStore& result,
    float* workspace) {
  const Split split = product.split();
  ConvArguments<ConvGeometry> p{ConvGeometry(shape),
                                a,
                                b,
                                group_a,
                                group_b,
                                static_cast<int>(product.depth),
                                static_cast<int>(split.depth),
                                product.tiles(),
                                result,
                                product.columns,
                                0};
  if (split.count > 1) {
    p.store.data = workspace;
    p.store.bias = nullptr;
    p.store.activation = Activation::none;
    p.store.vectors = quads_aligned(workspace, p.store.pitch, product.columns);
    p.part_size = product.rows * p.store.pitch;
  }
  return p;
}

inline dim3 conv_grid(const ConvProduct& product) {
  if (product.groups > 65535)
    throw std::invalid_argument("conv2d: more than 65,535 groups");
  return dim3(static_cast<unsigned>(product.tiles().count()),
              static_cast<unsigned>(product.split().count),
              static_cast<unsigned>(product.groups));
}

// Adds the parts, where there are several: of all groups at once.
inline void add_conv_splits(const ConvProduct& product, MatrixStore result,
                            const float* workspace, Stream stream) {
  const int64_t splits = product.split().count;
  if (splits == 1) return;
  result.columns = result.pitch;
  add_splits(workspace, splits, result, stream);
}

}  // namespace tw::cuda
