// A block of three warpgroups computes 128 x 256 (or 128 x 128) outputs. One
// thread of the first asks the copy engine for slices of the operands, 128
// bytes of the depth each, as far ahead as there are stages in shared memory;
// the other two warpgroups multiply them, 64 rows each, with sums in registers.
// Two barriers a stage say that it is full, and that it is empty again. Blocks
// stay for several tiles: while the sums of one are stored, slices of the next
// arrive. In which order a sum is made depends on the sizes alone.
//
// Operands are narrowed and laid out for it first (narrow.cuh), which costs a
// pass over each of them: for bf16 6 bytes a number, for tf32 8, for 3xtf32 12.
// The product then reads 2, 4 and 12 (what rounding left over once, the rest
// twice) in place of 4.
#include "cuda/device/hopper.hpp"
#include "cuda/gemm/hopper.h"
#include "cuda/gemm/matrix.cuh"
#include "cuda/gemm/narrow.cuh"
#include "cuda/gemm/split.cuh"
#include "cuda/gemm/tiles.cuh"

namespace tw::cuda {
namespace {

constexpr int kWarpgroup = 128;
constexpr int kHopperThreads = 3 * kWarpgroup;
constexpr int kConsumerWarps = 8;
constexpr int kHopperRows = 128;
constexpr int kWarpgroupRows = 64;
// Together no more than the 65,536 of a multiprocessor, by eights.
constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
constexpr int64_t kAlignment = 128;  // of matrices in the workspace

template <int kColumns>
constexpr int kStages = kColumns == 256 ? 4 : 6;

// Sums on their way from registers to rows: 16 rows of 64 a warp, quads
// exchanged by the row.
constexpr int kStagedColumns = 64;
struct StagedRows {
  float of[16 * kStagedColumns];

  static __device__ __forceinline__ int place(int row, int column) {
    return row * kStagedColumns + (column ^ (row % 4 * 8));
  }
};

template <int kColumns>
struct HopperShared {
  struct Stage {
    unsigned char a[kHopperRows * kTileRowBytes];
    unsigned char b[kColumns * kTileRowBytes];
  };
  Stage stages[kStages<kColumns>];  // from a multiple of 1024 bytes on
  StagedRows staged[kConsumerWarps];
  Mbarrier full[kStages<kColumns>], empty[kStages<kColumns>];
};

struct HopperArguments {
  TensorMap a, b;
  TileGrid tiles;
  unsigned pieces;  // of work: tiles times parts of the depth
  int m, n, k, split_depth;
  MatrixStore store;  // of one part, where there are several
  int64_t part_size;
};

// Which stage is next, and the parity of the phase that its barriers are in.
struct Turn {
  int stage = 0;
  uint32_t parity = 0;

  __device__ __forceinline__ void advance(int all) {
    if (++stage < all) return;
    stage = 0;
    parity ^= 1;
  }
};

template <Precision kPrecision>
constexpr int kSlice = kTileRowBytes / (kPrecision == Precision::bf16 ? 2 : 4);
// Of the products of a number's parts the least comes first.
template <Precision kPrecision>
constexpr int kProducts = kPrecision == Precision::tf32x3 ? 3 : 1;

struct Piece {
  int row, column, begin, end;
  unsigned part;

  template <int kColumns>
  static __device__ __forceinline__ Piece number(const HopperArguments& p,
                                                 unsigned number) {
    Piece piece;
    const unsigned tiles = p.tiles.rows * p.tiles.columns;
    piece.part = number / tiles;
    p.tiles.place(number % tiles, kHopperRows, kColumns, piece.row,
                  piece.column);
    piece.begin = static_cast<int>(piece.part) * p.split_depth;
    piece.end =
        p.k - piece.begin < p.split_depth ? p.k : piece.begin + p.split_depth;
    return piece;
  }
  __device__ __forceinline__ int slices(int depth) const {
    return (end - begin + depth - 1) / depth;
  }
};

template <Precision kPrecision, int kColumns>
__device__ __forceinline__ void produce(HopperShared<kColumns>& shared,
                                        const HopperArguments& p) {
  Turn turn;
  for (unsigned number = blockIdx.x; number < p.pieces; number += gridDim.x) {
    const Piece piece = Piece::number<kColumns>(p, number);
#pragma unroll 1
    for (int product = 0; product < kProducts<kPrecision>; product++) {
      // What is left over of a, then of b, then of neither.
      const int row_a = kProducts<kPrecision> == 3 && product == 0 ? p.m : 0;
      const int row_b = kProducts<kPrecision> == 3 && product == 1 ? p.n : 0;
#pragma unroll 1
      for (int depth = piece.begin; depth < piece.end;
           depth += kSlice<kPrecision>) {
        auto& stage = shared.stages[turn.stage];
        Mbarrier& full = shared.full[turn.stage];
        wait(shared.empty[turn.stage], turn.parity ^ 1);
        arrive_and_expect(full, sizeof(stage));
        copy_tile_async(stage.a, p.a, depth, row_a + piece.row, full);
        copy_tile_async(stage.b, p.b, depth, row_b + piece.column, full);
        turn.advance(kStages<kColumns>);
      }
    }
  }
}

template <Precision kPrecision, int kNumbers>
__device__ __forceinline__ void add_slice(const unsigned char* a,
                                          const unsigned char* b,
                                          float (&sum)[kNumbers]) {
  const uint64_t left = describe_tile(a), right = describe_tile(b);
#pragma unroll
  for (int step = 0; step < kTileRowBytes / 16; step += 2)
    if constexpr (kPrecision == Precision::bf16)
      multiply_async_bf16(sum, left + step, right + step);
    else
      multiply_async_tf32(sum, left + step, right + step);
}

// A warp's 16 rows of the sums: lane 4 g + t has numbers 2 t and 2 t + 1 of
// each eight columns, of rows g and g + 8.
template <int kNumbers, class Store>
__device__ __forceinline__ void store_rows(StagedRows& staged,
                                           const float (&sum)[kNumbers],
                                           const Store& store) {
  const int lane = threadIdx.x % 32;
  constexpr int kGroups = kStagedColumns / 8;  // of eight columns
#pragma unroll
  for (int first = 0; first < kNumbers / 4; first += kGroups) {
    __syncwarp();  // the columns before these are read
#pragma unroll
    for (int j = 0; j < kGroups; j++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const float* pair = &sum[4 * (first + j) + 2 * half];
        const int at =
            StagedRows::place(lane / 4 + 8 * half, 8 * j + lane % 4 * 2);
        store_vector(&staged.of[at], make_float2(pair[0], pair[1]));
      }
    __syncwarp();
    constexpr int kQuads = kStagedColumns / 4;
    const int column = lane % kQuads * 4;
#pragma unroll 1
    for (int row = lane / kQuads; row < 16; row += 32 / kQuads)
      store(row, 8 * first + column,
            load4(&staged.of[StagedRows::place(row, column)]));
  }
}

template <Precision kPrecision, int kColumns>
__device__ __forceinline__ void consume(HopperShared<kColumns>& shared,
                                        const HopperArguments& p) {
  const int group = static_cast<int>(threadIdx.x) / kWarpgroup - 1;
  const int warp = static_cast<int>(threadIdx.x) / 32 - 4;
  const bool first_lane = threadIdx.x % 32 == 0;
  Turn turn;
  for (unsigned number = blockIdx.x; number < p.pieces; number += gridDim.x) {
    const Piece piece = Piece::number<kColumns>(p, number);
    const int slices = kProducts<kPrecision> * piece.slices(kSlice<kPrecision>);
    float sum[kColumns / 2] = {};
    int before = 0;
#pragma unroll 1
    for (int slice = 0; slice < slices; slice++) {
      const auto& stage = shared.stages[turn.stage];
      wait(shared.full[turn.stage], turn.parity);
      fence_products();
      add_slice<kPrecision>(stage.a + group * kWarpgroupRows * kTileRowBytes,
                            stage.b, sum);
      commit_products();
      // The products of the slice before are done while these run.
      wait_for_products<1>();
      if (slice > 0 && first_lane) arrive(shared.empty[before]);
      before = turn.stage;
      turn.advance(kStages<kColumns>);
    }
    wait_for_sums(sum);
    if (first_lane) arrive(shared.empty[before]);

    MatrixStore result = p.store;
    result.data += piece.part * p.part_size;
    const int row = piece.row + 16 * warp;
    store_rows(shared.staged[warp], sum, [&](int r, int c, float4 quad) {
      result(row + r, piece.column + c, quad);
    });
  }
}

template <Precision kPrecision, int kColumns>
__global__ __launch_bounds__(kHopperThreads, 1) void gemm_hopper_kernel(
    const __grid_constant__ HopperArguments p) {
  if (!kHopperCode) return stop_kernel();
  auto& shared = shared_memory<HopperShared<kColumns>>();
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages<kColumns>; i++) {
      init_mbarrier(shared.full[i], 1);
      init_mbarrier(shared.empty[i], kConsumerWarps);
    }
    fence_async_proxy();
  }
  __syncthreads();
  if (threadIdx.x < kWarpgroup) {
    give_registers_back<kProducerRegisters>();
    if (threadIdx.x < 32 && elect_one())
      produce<kPrecision, kColumns>(shared, p);
  } else {
    take_registers<kConsumerRegisters>();
    consume<kPrecision, kColumns>(shared, p);
  }
}

int columns_of(const GemmProblem& q) {
  return TileGrid(q.m, q.n, kHopperRows, 256).count() >= kEnoughTiles ? 256
                                                                      : 128;
}

Split split_of(const GemmProblem& q) {
  return Split(TileGrid(q.m, q.n, kHopperRows, columns_of(q)).count(), q.k,
               q.precision == Precision::bf16 ? kSlice<Precision::bf16>
                                              : kSlice<Precision::tf32>);
}

// What the workspace holds, in bytes from a multiple of kAlignment on: both
// operands, then the parts of a product that is cut along its depth.
struct Plan {
  NarrowMatrix a, b;
  Split split;
  int64_t at_b, at_parts, bytes;

  explicit Plan(const GemmProblem& q)
      : a{q.precision, q.m, q.k},
        b{q.precision, q.n, q.k},
        split(split_of(q)),
        at_b(round_up(a.bytes(), kAlignment)),
        at_parts(at_b + round_up(b.bytes(), kAlignment)),
        bytes(at_parts + (split.count > 1 ? split.count * q.m * q.n * 4 : 0)) {}
};

template <Precision kPrecision>
void run(const HopperArguments& p, int columns, Stream stream) {
  const auto blocks = static_cast<unsigned>(multiprocessors());
  const dim3 grid(p.pieces < blocks ? p.pieces : blocks);
  if (columns == 256)
    launch("gemm_hopper", gemm_hopper_kernel<kPrecision, 256>, grid,
           dim3(kHopperThreads), sizeof(HopperShared<256>), stream, p);
  else
    launch("gemm_hopper", gemm_hopper_kernel<kPrecision, 128>, grid,
           dim3(kHopperThreads), sizeof(HopperShared<128>), stream, p);
}

TensorMap map_of(const NarrowMatrix& matrix, const void* data, int box_rows) {
  return tensor_map({data, matrix.number_bytes(), matrix.parts() * matrix.rows,
                     matrix.depth, matrix.pitch() * matrix.number_bytes(),
                     box_rows});
}

}  // namespace

bool gemm_hopper_pays(const GemmProblem& q) {
  // A pass over the operands, 6 to 12 bytes a number at 3 TB/s, is earned back
  // from about 1,000 rows and columns on, at the rates that mma.sync and wgmma
  // are expected to reach (docs/cuda.md).
  return q.m * q.n >= 512 * (q.m + q.n);
}

int64_t gemm_hopper_workspace(const GemmProblem& q) {
  return ceil_div(Plan(q).bytes + kAlignment, int64_t{sizeof(float)});
}

void gemm_hopper(const GemmProblem& q, float* workspace, Stream stream) {
  const Plan plan(q);
  const auto address = reinterpret_cast<uintptr_t>(workspace);
  auto* base = reinterpret_cast<unsigned char*>(workspace) +
               (kAlignment - address % kAlignment) % kAlignment;
  narrow(q.a, q.transpose_a, plan.a, base, stream);
  narrow(q.b, !q.transpose_b, plan.b, base + plan.at_b, stream);

  const int columns = columns_of(q);
  const TileGrid tiles(q.m, q.n, kHopperRows, columns);
  const MatrixStore result = store_of(q);
  HopperArguments p{map_of(plan.a, base, kHopperRows),
                    map_of(plan.b, base + plan.at_b, columns),
                    tiles,
                    static_cast<unsigned>(tiles.count() * plan.split.count),
                    static_cast<int>(q.m),
                    static_cast<int>(q.n),
                    static_cast<int>(q.k),
                    static_cast<int>(plan.split.depth),
                    result,
                    0};
  auto* parts = reinterpret_cast<float*>(base + plan.at_parts);
  if (plan.split.count > 1) {
    p.store = store_of_part(q, parts);
    p.part_size = q.m * q.n;
  }
  switch (q.precision) {
    case Precision::tf32: run<Precision::tf32>(p, columns, stream); break;
    case Precision::tf32x3: run<Precision::tf32x3>(p, columns, stream); break;
    case Precision::bf16: run<Precision::bf16>(p, columns, stream); break;
    case Precision::fp32:
      throw std::invalid_argument("gemm: tensor cores have no fp32");
  }
  if (plan.split.count > 1) add_splits(parts, plan.split.count, result, stream);
}

}  // namespace tw::cuda
