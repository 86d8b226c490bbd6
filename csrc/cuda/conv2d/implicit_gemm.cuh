// What the three passes share: a product per group of channels, cut along its
// depth where there are few tiles, by either main loop.
#pragma once

#include <type_traits>

#include "cuda/conv2d/sources.cuh"
#include "cuda/gemm/simt.cuh"
#include "cuda/gemm/split.cuh"
#include "cuda/gemm/tensor_loop.cuh"
#include "cuda/gemm/tiles.cuh"

namespace tw::cuda {

// The product's sizes, for one group and one phase (gradient_geometry.cuh; but
// for strided gradients there is one).
struct ConvProduct {
  int64_t rows, columns, depth, groups;
  Precision precision;
  int64_t phases = 1;

  bool on_tensor_cores() const {
    return precision != Precision::fp32 && has_tensor_cores();
  }
  SimtTile tile() const {
    return on_tensor_cores() ? SimtTile{128, columns <= 64 ? 64 : 128}
                             : simt_tile(rows * phases, columns, depth, groups);
  }
  TileGrid tiles() const {
    return TileGrid(rows, columns, tile().rows, tile().columns);
  }
  Split split() const {
    const int64_t count = tiles().count() * phases * groups;
    return on_tensor_cores() ? Split(count, depth)
                             : split_of_tiles(tile(), count, depth);
  }
  // The floats of the parts of a result of so many pixels (or weights).
  int64_t workspace(int64_t of_a_channel) const {
    const int64_t splits = split().count;
    return splits > 1 ? splits * of_a_channel * columns * groups : 0;
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

  __device__ __forceinline__ const float* a_here() const {
    return kept(a + blockIdx.z * group_a);
  }
  __device__ __forceinline__ const float* b_here() const {
    return kept(b + blockIdx.z * group_b);
  }
  // A block's part of the depth.
  __device__ __forceinline__ int begin() const {
    return static_cast<int>(blockIdx.y) * split_depth;
  }
  __device__ __forceinline__ int end(int whole) const {
    return kept(whole - begin() < split_depth ? whole : begin() + split_depth);
  }
  // Where a block's group and part go.
  __device__ __forceinline__ MatrixStore store_here() const {
    MatrixStore here = store;
    const int64_t first = blockIdx.z * group_columns;
    here.data += blockIdx.y * part_size + first;
    if (here.bias) here.bias += first;
    return here;
  }
};

// The two main loops, over the tile at (row, column) of a product of sources
// and a part [begin, end) of its depth.
//   run          calls store(row, column, quad) for the sums
//   run_staged   calls staged(first row, rows, sums in shared memory, pitch)
template <int kTileRows, int kTileColumns,
          template <int, int, class> class QuadsA,
          template <int, int, class> class QuadsB>
struct SimtLoop {
  static constexpr int kRows = kTileRows, kColumns = kTileColumns;
  static constexpr int kThreads = simt_threads(kRows, kColumns);
  using Shared = SimtShared<kRows, kColumns>;
  using Sum = SimtSum<kRows, kColumns>;

  template <class A, class B, class Store>
  static __device__ __forceinline__ void run(const A& left, int row,
                                             const B& right, int column,
                                             int begin, int end,
                                             const Store& store) {
    auto& shared = shared_memory<Shared>();
    Sum sum;
    multiply(shared, left, row, right, column, begin, end, sum);
    simt_store(shared, sum, [&](int r, int c, float4 quad) {
      store(row + r, column + c, quad);
    });
  }
  template <class A, class B, class Staged>
  static __device__ __forceinline__ void run_staged(const A& left, int row,
                                                    const B& right, int column,
                                                    int begin, int end,
                                                    const Staged& staged) {
    auto& shared = shared_memory<Shared>();
    Sum sum;
    multiply(shared, left, row, right, column, begin, end, sum);
#pragma unroll
    for (int part = 0; part < kRows / kStagedRows; part++) {
      simt_stage(shared, sum, part);
      __syncthreads();
      staged(row + part * kStagedRows, kStagedRows, &shared.staged[0][0],
             kColumns);
      __syncthreads();
    }
  }

 private:
  template <class A, class B>
  static __device__ __forceinline__ void multiply(Shared& shared, const A& left,
                                                  int row, const B& right,
                                                  int column, int begin,
                                                  int end, Sum& sum) {
    QuadsA<kRows, kThreads, A> a(left, row);
    QuadsB<kColumns, kThreads, B> b(right, column);
    // Nothing is to be read of a part that is empty.
    if (begin < end) simt_multiply(shared, a, b, begin, end, sum);
  }
};

template <Precision kPrecision, int kTileColumns, class A, class B>
struct TensorLoop {
  static constexpr int kRows = kTensorTile, kColumns = kTileColumns;
  static constexpr int kThreads = kTensorThreads;
  using Shared = TensorShared<kColumns, A, B>;

  template <class Left, class Right, class Store>
  static __device__ __forceinline__ void run(const Left& left, int row,
                                             const Right& right, int column,
                                             int begin, int end,
                                             const Store& store) {
    auto& shared = shared_memory<Shared>();
    TensorSum<kColumns> sum;
    tensor_multiply<kPrecision>(shared, A(left, row), B(right, column), begin,
                                end, sum);
    tensor_store(shared, sum, [&](int r, int c, float4 quad) {
      store(row + r, column + c, quad);
    });
  }
  template <class Left, class Right, class Staged>
  static __device__ __forceinline__ void run_staged(const Left& left, int row,
                                                    const Right& right,
                                                    int column, int begin,
                                                    int end,
                                                    const Staged& staged) {
    auto& shared = shared_memory<Shared>();
    TensorSum<kColumns> sum;
    tensor_multiply<kPrecision>(shared, A(left, row), B(right, column), begin,
                                end, sum);
    tensor_stage(shared, sum);
    staged(row, kRows, shared.staged, Shared::kStagedPitch);
  }
};

// Blocks on a multiprocessor, 0 where the compiler's own choice is best: of the
// narrow tile it would take three, and spill.
template <int kColumns>
constexpr int kTensorBlocks = kColumns == 64 ? 2 : 0;

// Where the parts go, and the launch's arguments. `result` has the columns of
// one group and the pitch of all.
template <class Geometry>
ConvArguments<Geometry> conv_arguments(const ConvProduct& product,
                                       const Geometry& geometry, const float* a,
                                       int64_t group_a, const float* b,
                                       int64_t group_b,
                                       const MatrixStore& result,
                                       float* workspace) {
  const Split split = product.split();
  ConvArguments<Geometry> p{geometry,
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
    p.part_size = result.rows * p.store.pitch;
  }
  return p;
}

inline dim3 conv_grid(const ConvProduct& product) {
  if (product.groups > 65535)
    throw std::invalid_argument("conv2d: more than 65,535 groups");
  const int64_t tiles = product.tiles().count() * product.phases;
  if (tiles > INT32_MAX)
    throw std::invalid_argument("conv2d: more than 2**31 - 1 tiles");
  return dim3(static_cast<unsigned>(tiles),
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

// A value as a type, for the choice of a kernel.
template <auto kValue>
using Choice = std::integral_constant<decltype(kValue), kValue>;

template <class Run>
void with_access(Access access, const Run& run) {
  switch (access) {
    case Access::scalars: return run(Choice<Access::scalars>());
    case Access::quads: return run(Choice<Access::quads>());
    case Access::slices: return run(Choice<Access::slices>());
  }
}

// run(rows and columns of a tile) for a product by the ordinary units.
template <class Run>
void with_simt_tile(const ConvProduct& product, const Run& run) {
  const SimtTile tile = product.tile();
  if (tile.columns == 128)
    run(Choice<128>(), Choice<128>());
  else if (tile.rows == 128)
    run(Choice<128>(), Choice<64>());
  else
    run(Choice<64>(), Choice<64>());
}

// run(rows, columns, access).
template <class Run>
void with_simt_loop(const ConvProduct& product, Access access, const Run& run) {
  with_access(access, [&](auto chosen) {
    with_simt_tile(
        product, [&](auto rows, auto columns) { run(rows, columns, chosen); });
  });
}

// run(precision, columns of a tile, access) for a product on tensor cores.
template <class Run>
void with_tensor_loop(const ConvProduct& product, Access access,
                      const Run& run) {
  const auto with_precision = [&](auto precision) {
    with_access(access, [&](auto chosen) {
      if (product.tile().columns == 64)
        run(precision, Choice<64>(), chosen);
      else
        run(precision, Choice<128>(), chosen);
    });
  };
  switch (product.precision) {
    case Precision::tf32: return with_precision(Choice<Precision::tf32>());
    case Precision::tf32x3: return with_precision(Choice<Precision::tf32x3>());
    case Precision::bf16: return with_precision(Choice<Precision::bf16>());
    case Precision::fp32: break;
  }
  throw std::invalid_argument("conv2d: tensor cores have no fp32");
}

}  // namespace tw::cuda
