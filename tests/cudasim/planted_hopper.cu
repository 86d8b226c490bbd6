// What Hopper adds, right and with a defect each: see test_hopper.py. Products
// are of tf32: 64 rows of a by 128 rows of b, `n` of depth.
#include <cstring>

#include "cuda/device/hopper.hpp"
#include "cuda/device/memory.hpp"
#include "cudasim/tensor_map.hpp"
#include "planted_launch.hpp"

namespace planted {
namespace {

using namespace tw::cuda;

enum Defect {
  none,
  no_expected_bytes,
  too_many_bytes,
  wrong_phase,
  no_wait_for_copies,
  no_wait_for_empty,
  no_wait_for_products,
  early_release,
  no_fence_of_products,
  sums_touched,
  different_products,
  wrong_swizzle,
  wrong_stride,
  unaligned_tile,
  no_proxy_fence_of_barriers,
  no_block_barrier,
  unmade_barrier,
  too_many_arrivals,
  barrier_overwritten,
  copies_left,
  no_proxy_fence_of_data,
  no_named_barrier,
  named_barrier_of_too_many,
  too_many_registers,
  different_registers,
};

constexpr int kRows = 64, kColumns = 128, kDepth = 32, kStages = 2;
constexpr int kConsumers = 128, kProducer = 128;  // threads; the one after them

struct Ring {
  struct Stage {
    float a[kRows * kDepth], b[kColumns * kDepth];
  } stages[kStages];
  Mbarrier full[kStages], empty[kStages];
};

// As the simulator makes it, which is what lies in nvcc's type as well.
TensorMap map_of(const float* data, int depth, int rows, int pitch,
                 int box_depth, int box_rows, int swizzle) {
  const auto made = tw::cudasim::encode_tensor_map(
      data, sizeof *data, static_cast<uint64_t>(depth),
      static_cast<uint64_t>(rows), static_cast<uint64_t>(pitch) * sizeof *data,
      box_depth, box_rows, swizzle);
  TensorMap map;
  std::memcpy(&map, &made, sizeof made);
  return map;
}

struct Maps {
  TensorMap a, b;
};

template <Defect kDefect>
__device__ __forceinline__ void produce(Ring& ring, const Maps& maps, int n) {
  constexpr int kBytes = sizeof(Ring::Stage);
  for (int slice = 0; slice < n / kDepth; slice++) {
    const int at = slice % kStages;
    Mbarrier& full = ring.full[at];
    if (kDefect != no_wait_for_empty)
      wait(ring.empty[at], (slice / kStages & 1) ^ 1);
    if (kDefect == no_expected_bytes)
      arrive(full);
    else
      arrive_and_expect(full, kBytes + (kDefect == too_many_bytes ? 16 : 0));
    if (kDefect == too_many_arrivals) arrive(full);
    const int offset = kDefect == unaligned_tile ? kDepth : 0;
    copy_tile_async(ring.stages[at].a + offset, maps.a, slice * kDepth, 0,
                    full);
    copy_tile_async(ring.stages[at].b, maps.b, slice * kDepth, 0, full);
  }
  if (kDefect == copies_left) {
    wait(ring.empty[0], 1);  // of three slices the last
    arrive_and_expect(ring.full[0], kBytes / 3);
    copy_tile_async(ring.stages[0].a, maps.a, 0, 0, ring.full[0]);
  }
}

template <Defect kDefect>
__device__ __forceinline__ void consume(Ring& ring, float* out, int n) {
  const int t = threadIdx.x, lane = t % 32, warp = t / 32;
  float sum[kColumns / 2] = {};
  for (int slice = 0; slice < n / kDepth; slice++) {
    const int at = slice % kStages;
    const Ring::Stage& stage = ring.stages[at];
    const uint32_t parity = slice / kStages & 1;
    if (kDefect != no_wait_for_copies)
      wait(ring.full[at], kDefect == wrong_phase ? parity ^ 1 : parity);
    if (kDefect != no_fence_of_products) fence_products();
    const float* tile = stage.a + (kDefect == unaligned_tile ? kDepth : 0);
    uint64_t a = describe_tile(tile), b = describe_tile(stage.b);
    if (kDefect == wrong_stride) b ^= uint64_t{96} << 32;  // 64 to 32
    for (int step = 0; step < 8; step += 2)
      multiply_async_tf32(
          sum, a + step,
          b + (kDefect == different_products && warp == 2 ? 0 : step));
    commit_products();
    if (kDefect == sums_touched) sum[3] = 1;
    if (kDefect == early_release && lane == 0) arrive(ring.empty[at]);
    if (kDefect == early_release && slice < n / kDepth - 1) continue;
    if (kDefect != no_wait_for_products) wait_for_products<0>();
    if (kDefect != early_release && lane == 0) arrive(ring.empty[at]);
  }
  for (int i = 0; i < kColumns / 2; i++)
    out[(16 * warp + lane / 4 + i / 2 % 2 * 8) * kColumns + i / 4 * 8 +
        lane % 4 * 2 + i % 2] = sum[i];
}

template <Defect kDefect>
__global__ void pipeline(const __grid_constant__ Maps maps, float* out, int n) {
  auto& ring = shared_memory<Ring>();
  const int t = threadIdx.x;
  if (t == kProducer) {
    for (int i = 0; i < kStages; i++) {
      if (kDefect != unmade_barrier || i == 0) init_mbarrier(ring.full[i], 1);
      init_mbarrier(ring.empty[i], kConsumers / 32);
    }
    if (kDefect != no_proxy_fence_of_barriers) fence_async_proxy();
    if (kDefect == barrier_overwritten) ring.full[1].state = 0;
  }
  if (kDefect != no_block_barrier) __syncthreads();
  if (t < kConsumers) {
    if (kDefect == different_registers && t < 32)
      take_registers<208>();
    else
      take_registers<kDefect == too_many_registers ? 248 : 232>();
    consume<kDefect>(ring, out, n);
  } else {
    give_registers_back<kDefect == too_many_registers ? 256 : 40>();
    if (t == kProducer) produce<kDefect>(ring, maps, n);
  }
}

template <Defect kDefect>
void start_pipeline(const Entry& entry, const Call& call) {
  constexpr int kSwizzle = kDefect == wrong_swizzle ? 0 : 128;
  const int n = call.n;
  const Maps maps{
      map_of(call.in, n, kRows, n, kDepth, kRows, kSwizzle),
      map_of(call.in + kRows * n, n, kColumns, n, kDepth, kColumns, kSwizzle)};
  start_kernel(entry, call, pipeline<kDefect>, maps, call.out, n);
}

// in: what shared memory holds, kBytes of a's rows and then of b's, and one
// product of it; out: the sums of each thread. n: the step along the depth.
struct Image {
  float a[kRows * kDepth], b[kColumns * kDepth];
};

template <int kRowBytes, bool kBf16, Defect kDefect>
__global__ void product_of_image(const float* in, float* out, int n) {
  auto& image = shared_memory<Image>();
  const int t = threadIdx.x;
  for (int i = 4 * t; i < kRows * kDepth; i += 4 * kConsumers)
    store4(&image.a[i], load4(in + i));
  for (int i = 4 * t; i < kColumns * kDepth; i += 4 * kConsumers)
    store4(&image.b[i], load4(in + kRows * kDepth + i));
  if (kDefect != no_proxy_fence_of_data) fence_async_proxy();
  __syncthreads();
  constexpr uint64_t kMode = kRowBytes == 128  ? 1
                             : kRowBytes == 64 ? 2
                             : kRowBytes == 32 ? 3
                                               : 0;
  // Without a swizzle: 16 bytes of eight rows, the next 16, the next rows.
  const uint64_t stride = kMode ? 8 * kRowBytes : 256;
  const uint64_t rest =
      uint64_t{128 / 16} << 16 | stride / 16 << 32 | kMode << 62;
  float sum[kColumns / 2] = {};
  fence_products();
  const uint64_t a = rest | ((shared_address(image.a) >> 4) + 2 * n);
  const uint64_t b = rest | ((shared_address(image.b) >> 4) + 2 * n);
  if (kBf16)
    multiply_async_bf16(sum, a, b);
  else
    multiply_async_tf32(sum, a, b);
  commit_products();
  wait_for_products<0>();
  for (int i = 0; i < kColumns / 2; i++) out[t * kColumns / 2 + i] = sum[i];
}

// in: a matrix of 24 rows of 40 numbers; out: shared memory after a tile of 16
// rows by kSpan bytes (without a swizzle: 64) from row n + 1, depth n on.
struct Tile {
  float of[16 * kDepth];
  Mbarrier full;
};

template <int kSpan>
constexpr int kLength = (kSpan ? kSpan : 64) / 4;

template <int kSpan>
__global__ void tile_copied(const __grid_constant__ TensorMap map, float* out,
                            int n) {
  constexpr int kNumbers = 16 * kLength<kSpan>;
  auto& tile = shared_memory<Tile>();
  if (threadIdx.x == 0) {
    init_mbarrier(tile.full, 1);
    fence_async_proxy();
    arrive_and_expect(tile.full, kNumbers * 4);
    copy_tile_async(tile.of, map, n, n + 1, tile.full);
  }
  __syncthreads();
  wait(tile.full, 0);
  for (int i = threadIdx.x; i < kNumbers; i += blockDim.x) out[i] = tile.of[i];
}

template <int kSpan>
void start_tile_copied(const Entry& entry, const Call& call) {
  const TensorMap map = map_of(call.in, 39, 24, 40, kLength<kSpan>, 16, kSpan);
  start_kernel(entry, call, tile_copied<kSpan>, map, call.out, call.n);
}

// Numbers that go from one warp to another through one place, n of them.
struct Handover {
  float x;
  Mbarrier full, empty;
};

__global__ void handed_over(const float* in, float* out, int n) {
  auto& shared = shared_memory<Handover>();
  if (threadIdx.x == 0) {
    init_mbarrier(shared.full, 1);
    init_mbarrier(shared.empty, 1);
  }
  __syncthreads();
  for (int i = 0; i < n; i++) {
    const uint32_t parity = i & 1;
    if (threadIdx.x == 0) {
      wait(shared.empty, parity ^ 1);
      shared.x = in[i];
      arrive(shared.full);
    } else if (threadIdx.x == 32) {
      wait(shared.full, parity);
      out[i] = shared.x;
      arrive(shared.empty);
    }
  }
}

// Two halves of a block, each by itself: numbers exchanged within it twice.
struct Exchange {
  float x[256];
};

template <Defect kDefect>
__global__ void exchanged(const float* in, float* out, int n) {
  auto& shared = shared_memory<Exchange>();
  const int t = threadIdx.x, half = t / 64;
  const int threads = kDefect == named_barrier_of_too_many ? 96 : 64;
  shared.x[t] = in[t];
  if (kDefect != no_named_barrier) synchronise_some(1 + half, threads);
  const float other = shared.x[t ^ 33];
  synchronise_some(1 + half, threads);
  shared.x[t] = other + static_cast<float>(n);
  synchronise_some(1 + half, threads);
  float sum = 0;
  for (int i = 0; i < 64; i++) sum += shared.x[64 * half + i];
  synchronise_some(1 + half, threads);  // all have read all
  shared.x[t ^ 7] = sum;
  synchronise_some(1 + half, threads);
  out[t] = shared.x[t];
}

__global__ void elected(const float* in, float* out, int) {
  const bool mine = elect_one();
  out[threadIdx.x] = mine ? in[threadIdx.x] : 0;
}

constexpr size_t kRing = sizeof(Ring), kImage = sizeof(Image);

const Entry kEntries[] = {
    {"pipeline", start_pipeline<none>, kRing},
    {"no_expected_bytes", start_pipeline<no_expected_bytes>, kRing},
    {"too_many_bytes", start_pipeline<too_many_bytes>, kRing},
    {"wrong_phase", start_pipeline<wrong_phase>, kRing},
    {"no_wait_for_copies", start_pipeline<no_wait_for_copies>, kRing},
    {"no_wait_for_empty", start_pipeline<no_wait_for_empty>, kRing},
    {"no_wait_for_products", start_pipeline<no_wait_for_products>, kRing},
    {"early_release", start_pipeline<early_release>, kRing},
    {"no_fence_of_products", start_pipeline<no_fence_of_products>, kRing},
    {"sums_touched", start_pipeline<sums_touched>, kRing},
    {"different_products", start_pipeline<different_products>, kRing},
    {"wrong_swizzle", start_pipeline<wrong_swizzle>, kRing},
    {"wrong_stride", start_pipeline<wrong_stride>, kRing},
    {"unaligned_tile", start_pipeline<unaligned_tile>, kRing},
    {"no_proxy_fence_of_barriers", start_pipeline<no_proxy_fence_of_barriers>,
     kRing},
    {"no_block_barrier", start_pipeline<no_block_barrier>, kRing},
    {"unmade_barrier", start_pipeline<unmade_barrier>, kRing},
    {"too_many_arrivals", start_pipeline<too_many_arrivals>, kRing},
    {"barrier_overwritten", start_pipeline<barrier_overwritten>, kRing},
    {"tile_copies_left", start_pipeline<copies_left>, kRing},
    {"too_many_registers", start_pipeline<too_many_registers>, kRing},
    {"different_registers", start_pipeline<different_registers>, kRing},
    {"tf32_128", start<product_of_image<128, false, none>>, kImage},
    {"tf32_64", start<product_of_image<64, false, none>>, kImage},
    {"tf32_32", start<product_of_image<32, false, none>>, kImage},
    {"tf32_0", start<product_of_image<0, false, none>>, kImage},
    {"bf16_128", start<product_of_image<128, true, none>>, kImage},
    {"bf16_64", start<product_of_image<64, true, none>>, kImage},
    {"bf16_32", start<product_of_image<32, true, none>>, kImage},
    {"bf16_0", start<product_of_image<0, true, none>>, kImage},
    {"no_proxy_fence_of_data",
     start<product_of_image<128, false, no_proxy_fence_of_data>>, kImage},
    {"tile_copied_128", start_tile_copied<128>, sizeof(Tile)},
    {"tile_copied_64", start_tile_copied<64>, sizeof(Tile)},
    {"tile_copied_32", start_tile_copied<32>, sizeof(Tile)},
    {"tile_copied_0", start_tile_copied<0>, sizeof(Tile)},
    {"handed_over", start<handed_over>, sizeof(Handover)},
    {"exchanged", start<exchanged<none>>, sizeof(Exchange)},
    {"no_named_barrier", start<exchanged<no_named_barrier>>, sizeof(Exchange)},
    {"named_barrier_of_too_many", start<exchanged<named_barrier_of_too_many>>,
     sizeof(Exchange)},
    {"elected", start<elected>, 0},
    {nullptr, nullptr, 0},
};

}  // namespace

const Entry* hopper_entries() { return kEntries; }

}  // namespace planted
