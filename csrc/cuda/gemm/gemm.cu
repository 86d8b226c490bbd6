// Matrix multiplication on the ordinary arithmetic units: see simt.cuh for the
// main loop. Bound by arithmetic for large matrices, by memory for flat ones.
#include "cuda/gemm/gemm.h"
#include "cuda/gemm/hopper.h"
#include "cuda/gemm/matrix.cuh"
#include "cuda/gemm/simt.cuh"
#include "cuda/gemm/split.cuh"
#include "cuda/gemm/tensor_core.h"
#include "cuda/gemm/tiles.cuh"

namespace tw::cuda {
namespace {

struct SimtArguments {
  const float *a, *b;
  int m, n, k, split_depth;
  TileGrid tiles;
  MatrixStore store;  // of one part, where there are several
  int64_t part_size;  // floats from one part to the next
};

template <bool kTransposed, bool kVectors>
using LeftMatrix = std::conditional_t<kTransposed, SpanMatrix<kVectors>,
                                      DepthMatrix<kVectors>>;
template <bool kTransposed, bool kVectors>
using RightMatrix = std::conditional_t<kTransposed, DepthMatrix<kVectors>,
                                       SpanMatrix<kVectors>>;
template <int kSize, int kThreads, bool kAlongDepth, class Source>
using Quads =
    std::conditional_t<kAlongDepth, DepthQuads<kSize, kThreads, Source>,
                       SpanQuads<kSize, kThreads, Source>>;

// Two blocks fill the registers of a multiprocessor; without vectors there are
// more addresses than that leaves room for. From sm_100 on the compiler keeps
// more at hand, and would spill some of it.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr int kMostBlocks = 1;
#else
constexpr int kMostBlocks = 2;
#endif
template <int kThreads, bool kVectors>
constexpr int kBlocks = !kVectors        ? 1
                        : kThreads == 64 ? 4 * kMostBlocks
                                         : kMostBlocks;

template <int kRows, int kColumns, bool kTransposeA, bool kTransposeB,
          bool kVectors>
__global__ __launch_bounds__(
    simt_threads(kRows, kColumns),
    kBlocks<simt_threads(kRows, kColumns),
            kVectors>) void gemm_simt_kernel(SimtArguments p) {
  constexpr int kThreads = simt_threads(kRows, kColumns);
  auto& shared = shared_memory<SimtShared<kRows, kColumns>>();
  int row, column;
  p.tiles.place(blockIdx.x, kRows, kColumns, row, column);

  // An operand of few rows or columns is read number by number: of a last
  // layer's weights 10 are a row, and the other operand is what takes time.
  using A = LeftMatrix<kTransposeA, kVectors && kRows != 16>;
  using B = RightMatrix<kTransposeB, kVectors && kColumns != 16>;
  const A left{p.a, kTransposeA ? p.m : p.k, p.m, p.k, {}, {}};
  const B right{p.b, kTransposeB ? p.k : p.n, p.n, p.k, {}, {}};
  Quads<kRows, kThreads, !kTransposeA, A> a(left, row);
  Quads<kColumns, kThreads, kTransposeB, B> b(right, column);

  const int begin = static_cast<int>(blockIdx.y) * p.split_depth;
  const int end = p.k - begin < p.split_depth ? p.k : begin + p.split_depth;
  SimtSum<kRows, kColumns> sum;
  simt_multiply(shared, a, b, begin, end, sum);

  MatrixStore store = p.store;
  store.data += blockIdx.y * p.part_size;
  simt_store(shared, sum, [&](int r, int c, float4 quad) {
    store(row + r, column + c, quad);
  });
}

template <int kRows, int kColumns, bool kTransposeA, bool kTransposeB>
void run(const SimtArguments& p, bool vectors, unsigned splits, Stream stream) {
  const dim3 grid(static_cast<unsigned>(p.tiles.count()), splits);
  const auto kernel =
      vectors
          ? gemm_simt_kernel<kRows, kColumns, kTransposeA, kTransposeB, true>
          : gemm_simt_kernel<kRows, kColumns, kTransposeA, kTransposeB, false>;
  launch("gemm_simt", kernel, grid, dim3(simt_threads(kRows, kColumns)),
         sizeof(SimtShared<kRows, kColumns>), stream, p);
}

template <int kRows, int kColumns>
void run_transposed(const GemmProblem& q, const SimtArguments& p, bool vectors,
                    unsigned splits, Stream stream) {
  if (q.transpose_a && q.transpose_b)
    return run<kRows, kColumns, true, true>(p, vectors, splits, stream);
  if (q.transpose_a)
    return run<kRows, kColumns, true, false>(p, vectors, splits, stream);
  if (q.transpose_b)
    return run<kRows, kColumns, false, true>(p, vectors, splits, stream);
  run<kRows, kColumns, false, false>(p, vectors, splits, stream);
}

SimtTile tile_of(const GemmProblem& q) {
  return simt_tile_of_matrices(q.m, q.n, q.k);
}

TileGrid tiles_of(const GemmProblem& q) {
  const SimtTile tile = tile_of(q);
  return TileGrid(q.m, q.n, tile.rows, tile.columns);
}

Split split_of(const GemmProblem& q) {
  return split_of_tiles(tile_of(q), tiles_of(q).count(), q.k);
}

bool operands_aligned(const GemmProblem& q, SimtTile tile) {
  const int64_t pitch_a = q.transpose_a ? q.m : q.k;
  const int64_t pitch_b = q.transpose_b ? q.k : q.n;
  return (tile.rows == 16 || quads_aligned(q.a, pitch_a, pitch_a)) &&
         (tile.columns == 16 || quads_aligned(q.b, pitch_b, pitch_b));
}

// A GPU that lacks what a precision needs takes exact products instead.
bool on_tensor_cores(const GemmProblem& q) {
  return q.precision != Precision::fp32 && has_tensor_cores();
}

bool on_hopper(const GemmProblem& q) {
  // Both parts of a matrix are one to the copy engine, whose numbers are int.
  constexpr int64_t kMost = int64_t{1} << 30;
  if (q.k == 0 || q.m > kMost || q.n > kMost || q.k > kMost) return false;
  if (q.algorithm == TensorCoreAlgorithm::mma_sync) return false;
  if (q.algorithm == TensorCoreAlgorithm::automatic)
    return has_hopper() && gemm_hopper_pays(q);
  if (!has_hopper())
    throw std::invalid_argument(
        "gemm: there is no GPU of compute capability 9.0, or no code for it");
  return true;
}

}  // namespace

int64_t gemm_workspace(const GemmProblem& q) {
  if (on_tensor_cores(q))
    return on_hopper(q) ? gemm_hopper_workspace(q)
                        : gemm_tensor_core_workspace(q);
  const int64_t splits = split_of(q).count;
  return splits > 1 ? splits * q.m * q.n : 0;
}

void gemm(const GemmProblem& q, float* workspace, Stream stream) {
  if (q.m == 0 || q.n == 0) return;
  constexpr int64_t kMost = INT32_MAX - kSimtDepth;
  if (q.m > kMost || q.n > kMost || q.k > kMost)
    throw std::invalid_argument("gemm: sizes must be below 2**31 - 16");
  if (on_tensor_cores(q))
    return on_hopper(q) ? gemm_hopper(q, workspace, stream)
                        : gemm_tensor_core(q, workspace, stream);
  const MatrixStore result = store_of(q);
  const Split split = split_of(q);
  SimtArguments p{q.a,
                  q.b,
                  static_cast<int>(q.m),
                  static_cast<int>(q.n),
                  static_cast<int>(q.k),
                  static_cast<int>(split.depth),
                  tiles_of(q),
                  result,
                  0};
  if (split.count > 1) {
    p.store = store_of_part(q, workspace);
    p.part_size = q.m * q.n;
  }
  const auto splits = static_cast<unsigned>(split.count);
  const SimtTile tile = tile_of(q);
  const bool aligned = operands_aligned(q, tile);
  if (tile.rows == 16)
    run_transposed<16, 128>(q, p, aligned, splits, stream);
  else if (tile.columns == 16)
    run_transposed<128, 16>(q, p, aligned, splits, stream);
  else if (tile.columns == 128)
    run_transposed<128, 128>(q, p, aligned, splits, stream);
  else if (tile.rows == 128)
    run_transposed<128, 64>(q, p, aligned, splits, stream);
  else
    run_transposed<64, 64>(q, p, aligned, splits, stream);
  if (split.count > 1) add_splits(workspace, split.count, result, stream);
}

}  // namespace tw::cuda
