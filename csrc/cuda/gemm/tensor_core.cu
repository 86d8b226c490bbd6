// A block of eight warps computes 128 x 128 outputs, each warp 64 x 32 of them
// in fragments of 16 x 8. Four slices of the operands are in shared memory or
// on their way there, so that the copies of three slices hide behind the
// products of one; operands are narrowed in registers, on their way to the
// tensor cores:
//   tf32     rounded to 10 bits of mantissa, relative error about 5e-4
//   bf16     rounded to 7 bits, relative error about 4e-3
//   tf32x3   x = big + small, both tf32: big big + big small + small big, which
//            leaves about 2^-21 (NVIDIA's CUTLASS calls it 3xTF32); infinity
//            has no remainder, and becomes NaN
// All sums are in float32.
#include "cuda/gemm/matrix.cuh"
#include "cuda/gemm/split.cuh"
#include "cuda/gemm/tensor_core.h"
#include "cuda/gemm/tensor_tiles.cuh"
#include "cuda/gemm/tiles.cuh"

namespace tw::cuda {
namespace {

constexpr int kWarpRows = 64, kWarpColumns = 32;
constexpr int kRowTiles = kWarpRows / 16, kColumnTiles = kWarpColumns / 8;
constexpr int kStagedPitch = kTensorTile + 8;

template <class A, class B>
struct TensorShared {
  struct Stage {
    typename A::Slice a;
    typename B::Slice b;
  };
  union {
    Stage stages[kTensorStages];
    float staged[kTensorTile * kStagedPitch];
  };
};

struct TensorArguments {
  const float *a, *b;
  int m, n, k, pitch_a, pitch_b, split_depth;
  TileGrid tiles;
  MatrixStore store;
  int64_t part_size;
};

// The sums of a warp: of[i][j] is the fragment of rows 16 i and columns 8 j.
using WarpSum = float[kRowTiles][kColumnTiles][4];

// Eight of the depth, of float32 from shared memory.
struct Operands {
  float a[kRowTiles][4];         // a fragment of m16n8k8 each
  float b[kColumnTiles / 2][4];  // two of columns: {j, j + 8} x {depth, + 4}

  __device__ __forceinline__ float of_b(int j, int half) const {
    return b[j / 2][j % 2 + 2 * half];
  }
};

template <Precision kPrecision>
__device__ __forceinline__ void multiply_tf32(const Operands& x, WarpSum& sum) {
  constexpr bool kThree = kPrecision == Precision::tf32x3;
  uint32_t b[kColumnTiles][2], small_b[kColumnTiles][2];
#pragma unroll
  for (int j = 0; j < kColumnTiles; j++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float value = x.of_b(j, half);
      b[j][half] = to_tf32(value);
      if (kThree)
        small_b[j][half] = to_tf32(value - __uint_as_float(b[j][half]));
    }
#pragma unroll
  for (int i = 0; i < kRowTiles; i++) {
    uint32_t a[4], small_a[4];
#pragma unroll
    for (int r = 0; r < 4; r++) {
      a[r] = to_tf32(x.a[i][r]);
      if (kThree) small_a[r] = to_tf32(x.a[i][r] - __uint_as_float(a[r]));
    }
#pragma unroll
    for (int j = 0; j < kColumnTiles; j++) {
      if (kThree) {
        mma_m16n8k8_tf32(sum[i][j], small_a, b[j]);
        mma_m16n8k8_tf32(sum[i][j], a, small_b[j]);
      }
      mma_m16n8k8_tf32(sum[i][j], a, b[j]);
    }
  }
}

// Two times eight of the depth as sixteen, in an order of our own.
__device__ __forceinline__ void multiply_bf16(const Operands (&x)[2],
                                              WarpSum& sum) {
  uint32_t b[kColumnTiles][2];
#pragma unroll
  for (int j = 0; j < kColumnTiles; j++)
#pragma unroll
    for (int half = 0; half < 2; half++)
      b[j][half] = to_bf16_pair(x[half].of_b(j, 0), x[half].of_b(j, 1));
#pragma unroll
  for (int i = 0; i < kRowTiles; i++) {
    uint32_t a[4];
#pragma unroll
    for (int r = 0; r < 4; r++)
      a[r] = to_bf16_pair(x[r / 2].a[i][r % 2], x[r / 2].a[i][r % 2 + 2]);
#pragma unroll
    for (int j = 0; j < kColumnTiles; j++)
      mma_m16n8k16_bf16(sum[i][j], a, b[j]);
  }
}

template <class A, class B, class Stage>
__device__ __forceinline__ void load_operands(const Stage& stage, int row,
                                              int column, int depth,
                                              Operands& x) {
#pragma unroll
  for (int i = 0; i < kRowTiles; i++)
    A::load(stage.a, row + 16 * i, depth, x.a[i]);
#pragma unroll
  for (int j = 0; j < kColumnTiles / 2; j++)
    B::load(stage.b, column + 16 * j, depth, x.b[j]);
}

template <Precision kPrecision, class A, class B, class Stage>
__device__ __forceinline__ void add_slice(const Stage& stage, int row,
                                          int column, WarpSum& sum) {
  if constexpr (kPrecision == Precision::bf16) {
    Operands x[2];
    load_operands<A, B>(stage, row, column, 0, x[0]);
    load_operands<A, B>(stage, row, column, 8, x[1]);
    multiply_bf16(x, sum);
  } else {
#pragma unroll
    for (int depth = 0; depth < kTensorDepth; depth += 8) {
      Operands x;
      load_operands<A, B>(stage, row, column, depth, x);
      multiply_tf32<kPrecision>(x, sum);
    }
  }
}

template <Precision kPrecision, class A, class B>
__device__ __forceinline__ void multiply_slices(TensorShared<A, B>& shared,
                                                const A& a, const B& b,
                                                int begin, int end, int row,
                                                int column, WarpSum& sum) {
  const int slices = (end - begin + kTensorDepth - 1) / kTensorDepth;
  const auto copy = [&](int slice) {
    if (slice < slices) {
      auto& stage = shared.stages[slice % kTensorStages];
      a.copy(stage.a, begin + slice * kTensorDepth);
      b.copy(stage.b, begin + slice * kTensorDepth);
    }
    commit_copies();  // an empty group keeps the count
  };
  for (int slice = 0; slice < kTensorStages - 1; slice++) copy(slice);
  for (int slice = 0; slice < slices; slice++) {
    wait_for_copies<kTensorStages - 2>();
    __syncthreads();  // the slice is there, and the one before is done with
    copy(slice + kTensorStages - 1);
    add_slice<kPrecision, A, B>(shared.stages[slice % kTensorStages], row,
                                column, sum);
  }
  wait_for_copies<0>();
  __syncthreads();
}

// By way of shared memory, so that whole rows are written.
template <class Shared, class Store>
__device__ __forceinline__ void store_tile(Shared& shared, const WarpSum& sum,
                                           int row, int column,
                                           const Store& store) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < kRowTiles; i++)
#pragma unroll
    for (int j = 0; j < kColumnTiles; j++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int r = row + 16 * i + lane / 4 + 8 * half;
        const int c = column + 8 * j + lane % 4 * 2;
        store_vector(&shared.staged[r * kStagedPitch + c],
                     make_float2(sum[i][j][2 * half], sum[i][j][2 * half + 1]));
      }
  __syncthreads();
  constexpr int kQuads = kTensorTile / 4;
  const int c = threadIdx.x % kQuads * 4;
#pragma unroll 1
  for (int r = threadIdx.x / kQuads; r < kTensorTile;
       r += kTensorThreads / kQuads)
    store(r, c, load4(&shared.staged[r * kStagedPitch + c]));
}

template <Precision kPrecision, class A, class B>
__global__ __launch_bounds__(kTensorThreads) void gemm_tensor_core_kernel(
    TensorArguments p) {
  auto& shared = shared_memory<TensorShared<A, B>>();
  int first_row, first_column;
  p.tiles.place(blockIdx.x, kTensorTile, first_row, first_column);
  const int begin = static_cast<int>(blockIdx.y) * p.split_depth;
  const int end = p.k - begin < p.split_depth ? p.k : begin + p.split_depth;
  const A a(p.a, p.pitch_a, p.m, end, first_row);
  const B b(p.b, p.pitch_b, p.n, end, first_column);

  const int warp = threadIdx.x / 32;
  const int row = warp % 2 * kWarpRows, column = warp / 2 * kWarpColumns;
  WarpSum sum = {};
  multiply_slices<kPrecision>(shared, a, b, begin, end, row, column, sum);

  MatrixStore store = p.store;
  store.data += blockIdx.y * p.part_size;
  store_tile(shared, sum, row, column, [&](int r, int c, float4 quad) {
    store(first_row + r, first_column + c, quad);
  });
}

template <Precision kPrecision, class A, class B>
void run(const TensorArguments& p, unsigned splits, Stream stream) {
  launch("gemm_tensor_core", gemm_tensor_core_kernel<kPrecision, A, B>,
         dim3(static_cast<unsigned>(p.tiles.count()), splits),
         dim3(kTensorThreads), sizeof(TensorShared<A, B>), stream, p);
}

template <Precision kPrecision, bool kVectors>
void run_transposed(const GemmProblem& q, const TensorArguments& p,
                    unsigned splits, Stream stream) {
  using Depth = DepthTile<kVectors>;
  using Span = SpanTile<kVectors>;
  if (q.transpose_a && q.transpose_b)
    return run<kPrecision, Span, Depth>(p, splits, stream);
  if (q.transpose_a) return run<kPrecision, Span, Span>(p, splits, stream);
  if (q.transpose_b) return run<kPrecision, Depth, Depth>(p, splits, stream);
  run<kPrecision, Depth, Span>(p, splits, stream);
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
  const bool vectors =
      quads_aligned(q.c, q.n, q.n) && (!q.bias || quads_aligned(q.bias, 0, 0));
  const MatrixStore result{q.c,    q.m,          q.n,          q.n,
                           q.bias, q.activation, q.accumulate, vectors};
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
    p.store = {workspace, q.m,
               q.n,       q.n,
               nullptr,   Activation::none,
               false,     quads_aligned(workspace, q.n, q.n)};
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
