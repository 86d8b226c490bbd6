// Matrix multiplication on tensor cores: see tensor_loop.cuh for the main loop.
#include "cuda/device/blackwell.hpp"
#include "cuda/gemm/matrix.cuh"
#include "cuda/gemm/split.cuh"
#include "cuda/gemm/tensor_core.h"
#include "cuda/gemm/tensor_loop.cuh"
#include "cuda/gemm/tiles.cuh"

namespace tw::cuda {
namespace {

struct TensorArguments {
  const float *a, *b;
  int m, n, k, pitch_a, pitch_b, split_depth;
  TileGrid tiles;
  MatrixStore store;
  int64_t part_size;
};

template <bool kAlongDepth, bool kVectors>
using Tile =
    std::conditional_t<kAlongDepth,
                       DepthTile<kTensorTile, kVectors, DepthMatrix<kVectors>>,
                       SpanTile<kTensorTile, kVectors, SpanMatrix<kVectors>>>;

template <bool kTransposeB, bool kVectors>
constexpr int kBlocks = kBlackwell && kTransposeB && !kVectors ? 1 : 0;

template <Precision kPrecision, bool kTransposeA, bool kTransposeB,
          bool kVectors>
__global__ __launch_bounds__(
    kTensorThreads,
    kBlocks<kTransposeB, kVectors>) void gemm_tensor_core_kernel(TensorArguments
                                                                     p) {
  using A = Tile<!kTransposeA, kVectors>;
  using B = Tile<kTransposeB, kVectors>;
  auto& shared = shared_memory<TensorShared<kTensorTile, A, B>>();
  int row, column;
  p.tiles.place(blockIdx.x, kTensorTile, row, column);
  const int begin = static_cast<int>(blockIdx.y) * p.split_depth;
  const int end = p.k - begin < p.split_depth ? p.k : begin + p.split_depth;
  const A a({p.a, p.pitch_a, p.m, end, {}, {}}, row);
  const B b({p.b, p.pitch_b, p.n, end, {}, {}}, column);
  TensorSum<kTensorTile> sum;
  tensor_multiply<kPrecision>(shared, a, b, begin, end, sum);

  MatrixStore store = p.store;
  store.data += blockIdx.y * p.part_size;
  tensor_store(shared, sum, [&](int r, int c, float4 quad) {
    store(row + r, column + c, quad);
  });
}

template <Precision kPrecision, bool kTransposeA, bool kTransposeB,
          bool kVectors>
void run(const TensorArguments& p, unsigned splits, Stream stream) {
  using A = Tile<!kTransposeA, kVectors>;
  using B = Tile<kTransposeB, kVectors>;
  launch(
      "gemm_tensor_core",
      gemm_tensor_core_kernel<kPrecision, kTransposeA, kTransposeB, kVectors>,
      dim3(static_cast<unsigned>(p.tiles.count()), splits),
      dim3(kTensorThreads), sizeof(TensorShared<kTensorTile, A, B>), stream, p);
}

template <Precision kPrecision, bool kVectors>
void run_transposed(const GemmProblem& q, const TensorArguments& p,
                    unsigned splits, Stream stream) {
  if (q.transpose_a && q.transpose_b)
    return run<kPrecision, true, true, kVectors>(p, splits, stream);
  if (q.transpose_a)
    return run<kPrecision, true, false, kVectors>(p, splits, stream);
  if (q.transpose_b)
    return run<kPrecision, false, true, kVectors>(p, splits, stream);
  run<kPrecision, false, false, kVectors>(p, splits, stream);
}

template <Precision kPrecision>
void run_aligned(const GemmProblem& q, const TensorArguments& p,
                 unsigned splits, Stream stream) {
  if (quads_aligned(q.a, p.pitch_a, p.pitch_a) &&
      quads_aligned(q.b, p.pitch_b, p.pitch_b))
    run_transposed<kPrecision, true>(q, p, splits, stream);
  else
    run_transposed<kPrecision, false>(q, p, splits, stream);
}

Split split_of(const GemmProblem& q) {
  return Split(TileGrid(q.m, q.n, kTensorTile).count(), q.k);
}

}  // namespace

int64_t gemm_tensor_core_workspace(const GemmProblem& q) {
  const int64_t splits = split_of(q).count;
  return splits > 1 ? splits * q.m * q.n : 0;
}

void gemm_tensor_core(const GemmProblem& q, float* workspace, Stream stream) {
  const MatrixStore result = store_of(q);
  const Split split = split_of(q);
  TensorArguments p{q.a,
                    q.b,
                    static_cast<int>(q.m),
                    static_cast<int>(q.n),
                    static_cast<int>(q.k),
                    static_cast<int>(q.transpose_a ? q.m : q.k),
                    static_cast<int>(q.transpose_b ? q.k : q.n),
                    static_cast<int>(split.depth),
                    TileGrid(q.m, q.n, kTensorTile),
                    result,
                    0};
  if (split.count > 1) {
    p.store = store_of_part(q, workspace);
    p.part_size = q.m * q.n;
  }
  const auto splits = static_cast<unsigned>(split.count);
  switch (q.precision) {
    case Precision::tf32:
      run_aligned<Precision::tf32>(q, p, splits, stream);
      break;
    case Precision::tf32x3:
      run_aligned<Precision::tf32x3>(q, p, splits, stream);
      break;
    case Precision::bf16:
      run_aligned<Precision::bf16>(q, p, splits, stream);
      break;
    case Precision::fp32:
      throw std::invalid_argument("gemm: tensor cores have no fp32");
  }
  if (split.count > 1) add_splits(workspace, split.count, result, stream);
}

}  // namespace tw::cuda
