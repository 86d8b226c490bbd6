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
template <int kSize, bool kAlongDepth, class Source>
using Quads = std::conditional_t<kAlongDepth, DepthQuads<kSize, Source>,
                                 SpanQuads<kSize, Source>>;

// Two blocks fill the registers of a multiprocessor; without vectors there are
// more addresses than that leaves room for. From sm_100 on the compiler keeps
// more at hand, and would spill some of it.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr int kMostBlocks = 1;
#else
constexpr int kMostBlocks = 2;
#endif
template <bool kVectors>
constexpr int kBlocks = kVectors ? kMostBlocks : 1;

template <int kSize, bool kTransposeA, bool kTransposeB, bool kVectors>
__global__ __launch_bounds__(
    kSimtThreads, kBlocks<kVectors>) void gemm_simt_kernel(SimtArguments p) {
  auto& shared = shared_memory<SimtShared<kSize>>();
  int row, column;
  p.tiles.place(blockIdx.x, kSize, row, column);

  using A = LeftMatrix<kTransposeA, kVectors>;
  using B = RightMatrix<kTransposeB, kVectors>;
  const A left{p.a, kTransposeA ? p.m : p.k, p.m, p.k, {}, {}};
  const B right{p.b, kTransposeB ? p.k : p.n, p.n, p.k, {}, {}};
  Quads<kSize, !kTransposeA, A> a(left, row);
  Quads<kSize, kTransposeB, B> b(right, column);

  const int begin = static_cast<int>(blockIdx.y) * p.split_depth;
  const int end = p.k - begin < p.split_depth ? p.k : begin + p.split_depth;
  SimtSum<kSize> sum;
  simt_multiply(shared, a, b, begin, end, sum);

  MatrixStore store = p.store;
  store.data += blockIdx.y * p.part_size;
  simt_store(shared, sum, [&](int r, int c, float4 quad) {
    store(row + r, column + c, quad);
  });
}

template <int kSize, bool kTransposeA, bool kTransposeB>
void run(const SimtArguments& p, bool vectors, unsigned splits, Stream stream) {
  const dim3 grid(static_cast<unsigned>(p.tiles.count()), splits);
  const auto kernel =
      vectors ? gemm_simt_kernel<kSize, kTransposeA, kTransposeB, true>
              : gemm_simt_kernel<kSize, kTransposeA, kTransposeB, false>;
  launch("gemm_simt", kernel, grid, dim3(kSimtThreads),
         sizeof(SimtShared<kSize>), stream, p);
}

template <int kSize>
void run_transposed(const GemmProblem& q, const SimtArguments& p, bool vectors,
                    unsigned splits, Stream stream) {
  if (q.transpose_a && q.transpose_b)
    return run<kSize, true, true>(p, vectors, splits, stream);
  if (q.transpose_a) return run<kSize, true, false>(p, vectors, splits, stream);
  if (q.transpose_b) return run<kSize, false, true>(p, vectors, splits, stream);
  run<kSize, false, false>(p, vectors, splits, stream);
}

int tile_size(const GemmProblem& q) { return large_tiles(q.m, q.n) ? 128 : 64; }

Split split_of(const GemmProblem& q) {
  return Split(TileGrid(q.m, q.n, tile_size(q)).count(), q.k);
}

bool operands_aligned(const GemmProblem& q) {
  const int64_t pitch_a = q.transpose_a ? q.m : q.k;
  const int64_t pitch_b = q.transpose_b ? q.k : q.n;
  return quads_aligned(q.a, pitch_a, pitch_a) &&
         quads_aligned(q.b, pitch_b, pitch_b);
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
  const int size = tile_size(q);
  SimtArguments p{q.a,
                  q.b,
                  static_cast<int>(q.m),
                  static_cast<int>(q.n),
                  static_cast<int>(q.k),
                  static_cast<int>(split.depth),
                  TileGrid(q.m, q.n, size),
                  result,
                  0};
  if (split.count > 1) {
    p.store = store_of_part(q, workspace);
    p.part_size = q.m * q.n;
  }
  const auto splits = static_cast<unsigned>(split.count);
  const bool aligned = operands_aligned(q);
  if (size == 128)
    run_transposed<128>(q, p, aligned, splits, stream);
  else
    run_transposed<64>(q, p, aligned, splits, stream);
  if (split.count > 1) add_splits(workspace, split.count, result, stream);
}

}  // namespace tw::cuda
