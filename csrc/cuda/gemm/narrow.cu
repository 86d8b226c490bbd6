// Bound by memory: 4 bytes of each number are read, 2 (bf16), 4 (tf32) or 8
// (3xtf32) written, in tiles of 64 x 64.
#include "cuda/device/memory.hpp"
#include "cuda/device/ptx.hpp"
#include "cuda/gemm/matrix.cuh"
#include "cuda/gemm/narrow.cuh"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

constexpr int kNarrowThreads = 256;
constexpr int kNarrowTile = 64;
constexpr int kTileQuads = kNarrowTile / 4;

struct NarrowArguments {
  const float* src;
  void* dst;
  int rows, depth, pitch, pitch_src;
  int64_t part;  // numbers from the rounded matrix to what it left over
  unsigned depth_tiles;
  bool vectors;
};

// Numbers [at, at + 4) of `left` that there are from `row` on; 0 elsewhere.
__device__ __forceinline__ float4 load_some(const float* row, int at, int left,
                                            bool vectors) {
  float4 quad = make_float4(0, 0, 0, 0);
  if (vectors) return at < left ? load4(row + at) : quad;
  if (at < left) quad.x = row[at];
  if (at + 1 < left) quad.y = row[at + 1];
  if (at + 2 < left) quad.z = row[at + 2];
  if (at + 3 < left) quad.w = row[at + 3];
  return quad;
}

__device__ __forceinline__ float4 rounded_to_tf32(float4 x) {
  return make_float4(
      __uint_as_float(to_tf32(x.x)), __uint_as_float(to_tf32(x.y)),
      __uint_as_float(to_tf32(x.z)), __uint_as_float(to_tf32(x.w)));
}

template <Precision kPrecision>
__device__ __forceinline__ void store_narrow(const NarrowArguments& p, int row,
                                             int depth, float4 x) {
  if (row >= p.rows || depth >= p.pitch) return;
  const int64_t at = int64_t{row} * p.pitch + depth;
  if constexpr (kPrecision == Precision::bf16) {
    store_vector(static_cast<uint16_t*>(p.dst) + at,
                 make_uint2(to_bf16_pair(x.x, x.y), to_bf16_pair(x.z, x.w)));
    return;
  }
  auto* dst = static_cast<float*>(p.dst) + at;
  const float4 big = rounded_to_tf32(x);
  store4(dst, big);
  if constexpr (kPrecision == Precision::tf32x3)
    store4(dst + p.part,
           rounded_to_tf32(make_float4(x.x - big.x, x.y - big.y, x.z - big.z,
                                       x.w - big.w)));
}

template <Precision kPrecision>
__global__ __launch_bounds__(kNarrowThreads) void narrow_kernel(
    NarrowArguments p) {
  const int first_row =
      static_cast<int>(blockIdx.x / p.depth_tiles) * kNarrowTile;
  const int depth = static_cast<int>(blockIdx.x % p.depth_tiles) * kNarrowTile +
                    static_cast<int>(threadIdx.x % kTileQuads) * 4;
  constexpr int kRowsAtOnce = kNarrowThreads / kTileQuads;
  float4 quad[kNarrowTile / kRowsAtOnce];
  const int row = first_row + static_cast<int>(threadIdx.x / kTileQuads);
#pragma unroll
  for (int i = 0; i < kNarrowTile / kRowsAtOnce; i++) {
    const int r = row + i * kRowsAtOnce;
    const int left = r < p.rows ? p.depth : 0;
    quad[i] = load_some(p.src + (r < p.rows ? int64_t{r} * p.pitch_src : 0),
                        depth, left, p.vectors);
  }
#pragma unroll
  for (int i = 0; i < kNarrowTile / kRowsAtOnce; i++)
    store_narrow<kPrecision>(p, row + i * kRowsAtOnce, depth, quad[i]);
}

// Rows of the depth; their quads are exchanged so that those who read four
// rows of eight columns meet all banks.
struct NarrowShared {
  float tile[kNarrowTile][kNarrowTile];

  static __device__ __forceinline__ int place(int depth, int column) {
    return column ^ (depth / 4 % 8 * 4);
  }
};

template <Precision kPrecision>
__global__ __launch_bounds__(kNarrowThreads) void narrow_transposed_kernel(
    NarrowArguments p) {
  auto& shared = shared_memory<NarrowShared>();
  const int first_row =
      static_cast<int>(blockIdx.x / p.depth_tiles) * kNarrowTile;
  const int first_depth =
      static_cast<int>(blockIdx.x % p.depth_tiles) * kNarrowTile;
  constexpr int kDepthsAtOnce = kNarrowThreads / kTileQuads;
  const int column = static_cast<int>(threadIdx.x % kTileQuads) * 4;
  float4 quad[kNarrowTile / kDepthsAtOnce];
#pragma unroll
  for (int i = 0; i < kNarrowTile / kDepthsAtOnce; i++) {
    const int d = first_depth + static_cast<int>(threadIdx.x / kTileQuads) +
                  i * kDepthsAtOnce;
    const int left = d < p.depth ? p.rows - first_row : 0;
    quad[i] =
        load_some(p.src + (left ? int64_t{d} * p.pitch_src + first_row : 0),
                  column, left, p.vectors);
  }
#pragma unroll
  for (int i = 0; i < kNarrowTile / kDepthsAtOnce; i++) {
    const int d =
        static_cast<int>(threadIdx.x / kTileQuads) + i * kDepthsAtOnce;
    store4(&shared.tile[d][NarrowShared::place(d, column)], quad[i]);
  }
  __syncthreads();

  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  constexpr int kRowsAtOnce = kNarrowThreads / 8;
#pragma unroll
  for (int first = 0; first < kNarrowTile; first += kRowsAtOnce)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = first + 4 * warp + lane / 8;
      const int depth = kNarrowTile / 2 * half + lane % 8 * 4;
      const int at = NarrowShared::place(depth, row);
      store_narrow<kPrecision>(
          p, first_row + row, first_depth + depth,
          make_float4(shared.tile[depth][at], shared.tile[depth + 1][at],
                      shared.tile[depth + 2][at], shared.tile[depth + 3][at]));
    }
}

template <Precision kPrecision>
void run(const NarrowArguments& p, bool transposed, Stream stream) {
  const int64_t blocks = p.depth_tiles * ceil_div(p.rows, kNarrowTile);
  const dim3 grid(static_cast<unsigned>(blocks));
  if (transposed)
    launch("narrow_transposed", narrow_transposed_kernel<kPrecision>, grid,
           dim3(kNarrowThreads), sizeof(NarrowShared), stream, p);
  else
    launch("narrow", narrow_kernel<kPrecision>, grid, dim3(kNarrowThreads), 0,
           stream, p);
}

}  // namespace

void narrow(const float* src, bool transposed, const NarrowMatrix& m, void* dst,
            Stream stream) {
  const int64_t pitch_src = transposed ? m.rows : m.depth;
  const NarrowArguments p{src,
                          dst,
                          static_cast<int>(m.rows),
                          static_cast<int>(m.depth),
                          static_cast<int>(m.pitch()),
                          static_cast<int>(pitch_src),
                          m.rows * m.pitch(),
                          static_cast<unsigned>(ceil_div(m.depth, kNarrowTile)),
                          quads_aligned(src, pitch_src, pitch_src)};
  switch (m.precision) {
    case Precision::tf32: return run<Precision::tf32>(p, transposed, stream);
    case Precision::tf32x3:
      return run<Precision::tf32x3>(p, transposed, stream);
    case Precision::bf16: return run<Precision::bf16>(p, transposed, stream);
    case Precision::fp32: break;
  }
  throw std::invalid_argument("gemm: tensor cores have no fp32");
}

}  // namespace tw::cuda
