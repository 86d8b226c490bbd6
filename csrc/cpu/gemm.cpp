// Blocked GEMM after Goto & van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication" (TOMS 2008), with the micro-kernels of microkernel.h.
//
// Blocks: KC = 384 keeps a B panel (KC x 2 vectors, 48 KiB with AVX-512) in L1
// and L2 while the tiles of a row block pass over it; a row block (MC = 112 x
// 384 floats, 168 KiB) stays in L2; NC = 4096 columns of B (6 MiB) in L3. The
// micro-kernel reads A by rows or by columns as it lies, so packing is a
// straight copy, made only where the copy is used often enough to pay and the
// stride of what is there would map many rows on few cache sets. Small and
// skinny products, which are what networks are made of, pack nothing.
//
// K is cut the same way for every thread count, and sums of its parts are added
// in order, so the bits of C do not depend on it.
#include "cpu/gemm.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "common/integers.h"
#include "cpu/algorithm.h"
#include "cpu/allocator.h"
#include "cpu/gemm_few_rows.h"
#include "cpu/microkernel.h"
#include "cpu/parallel.h"
#include "cpu/transpose.h"

namespace tw::cpu {
namespace {

constexpr int64_t kDepthBlock = 384;    // KC
constexpr int64_t kColumnBlock = 4096;  // NC
constexpr int kRowsPerBlock = 112;      // MC
// A task is worth about this much, but no more of them are cut than this: fewer
// copy fewer blocks of A.
constexpr double kFlopsPerTask = 5e5;
constexpr double kBytesPerTask = 512 << 10;  // of B, where there are few rows
constexpr double kMostTasks = 48;
// A part of the depth is worth about a thread's waking, and is deep enough that
// its sums are few beside its part of B.
constexpr double kFlopsPerDepthPart = 1.1e6;
constexpr double kPartDepthPerRow = 4;
constexpr double kMostDepthParts = 16;
// A stride of a power of two maps rows on the same cache sets; one line more
// spreads them.
constexpr int64_t kPad = 16;

// One panel of B: up to `vectors * lanes` columns, readable to full width.
struct Panel {
  const float* b;
  int64_t step;
  int64_t column, width;
  int vectors;
};

// `floats` is a multiple of 4: every vector has as many lanes.
void copy_vectors(float* to, const float* from, int64_t floats) {
  for (int64_t i = 0; i < floats; i += 4) std::memcpy(to + i, from + i, 16);
}

// How B's columns [begin, end) for rows [k0, k0 + depth) are read: as they
// lie, or from a packed copy. A panel that is not full is always copied.
class Panels {
 public:
  Panels(const GemmProblem& p, const MicroKernels& mk, int vectors)
      : p_(p), lanes_(mk.lanes), width_(vectors * mk.lanes) {
    const bool reused_often = p.m > 4 * mk.max_rows && p.n > 4 * width_;
    pack_all_ = p.transpose_b || reused_often;
    const int64_t packed_columns = pack_all_      ? std::min(p.n, kColumnBlock)
                                   : p.n % width_ ? width_
                                                  : 0;
    size_ =
        ceil_div(packed_columns, width_) * width_ * std::min(p.k, kDepthBlock);
  }

  size_t size() const { return static_cast<size_t>(size_); }
  void use(float* packed) { packed_ = packed; }

  void set_block(int64_t begin, int64_t end, int64_t k0, int64_t depth) {
    begin_ = begin, end_ = end, k0_ = k0, depth_ = depth;
  }
  int64_t count() const { return ceil_div(end_ - begin_, width_); }

  Panel panel(int64_t index) const {
    Panel result;
    result.column = begin_ + index * width_;
    result.width = std::min(width_, end_ - result.column);
    result.vectors = result.width <= lanes_       ? 1
                     : result.width <= 2 * lanes_ ? 2
                                                  : 4;
    if (!copied(index)) {
      result.b = p_.b + k0_ * p_.n + result.column;
      result.step = p_.n;
    } else {
      result.b = packed_ + (pack_all_ ? index * width_ * depth_ : 0);
      result.step = result.vectors * lanes_;
    }
    return result;
  }

  bool copied(int64_t index) const {
    return pack_all_ || begin_ + (index + 1) * width_ > end_;
  }

  void pack(int64_t index) const {
    const Panel to = panel(index);
    float* out = const_cast<float*>(to.b);
    if (p_.transpose_b) {
      pack_transposed(to, out);
      return;
    }
    // Rows are copied to the panel's whole width, whatever lies beyond the
    // matrix's columns, except at its end.
    const float* from = p_.b + k0_ * p_.n + to.column;
    const float* const end = p_.b + p_.k * p_.n;
    for (int64_t k = 0; k < depth_; k++, from += p_.n, out += to.step) {
      if (end - from >= to.step) {
        copy_vectors(out, from, to.step);
        continue;
      }
      std::memcpy(out, from, static_cast<size_t>(to.width) * sizeof(float));
      std::fill(out + to.width, out + to.step, 0.0f);
    }
  }

 private:
  void pack_transposed(const Panel& to, float* out) const {
    transpose(
        {p_.b + to.column * p_.k + k0_, p_.k, to.width, depth_, out, to.step});
    if (to.width < to.step)
      for (int64_t k = 0; k < depth_; k++)
        std::fill(out + k * to.step + to.width, out + (k + 1) * to.step, 0.0f);
  }

  const GemmProblem& p_;
  int64_t lanes_, width_, size_;
  bool pack_all_;
  float* packed_ = nullptr;
  int64_t begin_ = 0, end_ = 0, k0_ = 0, depth_ = 0;
};

// Of C: few rows leave registers for four vectors.
struct Tiling {
  Tiling(const GemmProblem& p, const MicroKernels& mk) {
    const bool wide = p.m <= mk.max_rows_wide && p.n > 2 * mk.lanes;
    vectors = wide ? 4 : 2;
    max_rows = wide ? mk.max_rows_wide : mk.max_rows;
  }
  int vectors, max_rows;
};

struct RowBlock {
  int64_t begin, rows;
};

// Whether rows of this stride lie on so few cache sets (of the 64 that an L1
// has) that a tile's rows evict each other.
bool rows_collide(int64_t stride) { return stride % 512 == 0; }

// A's block as the micro-kernel reads it: element (i, k) at a[i * stride + k],
// or, where A is transposed, at a[k * stride + i].
struct ABlock {
  const float* a;
  int64_t stride;
};

// What a worker has at hand from its task before.
struct Held {
  int64_t block = -1;
  ABlock a;
};

ABlock block_of_a(const GemmProblem& p, RowBlock block, int64_t k0,
                  int64_t depth, float* copy) {
  const int64_t lda = p.transpose_a ? p.m : p.k;
  const float* a = p.transpose_a ? p.a + k0 * lda + block.begin
                                 : p.a + block.begin * lda + k0;
  if (!copy) return {a, lda};
  const int64_t lines = p.transpose_a ? depth : block.rows;
  const int64_t length = p.transpose_a ? block.rows : depth;
  const int64_t stride = ceil_div(length, kPad) * kPad + kPad;
  for (int64_t i = 0; i < lines; i++)
    std::memcpy(copy + i * stride, a + i * lda,
                static_cast<size_t>(length) * sizeof(float));
  return {copy, stride};
}

void multiply_tile(const GemmProblem& p, const MicroKernels& mk,
                   const ABlock& a, int64_t row, int rows, int64_t depth,
                   const Panel& panel, const TileEpilogue& epilogue) {
  if (p.transpose_a) {
    const float* columns = a.a + row;
    mk.columns[panel.vectors][rows](
        {1, depth, &columns, a.stride, &panel.b, panel.step, epilogue});
    return;
  }
  mk.strided[panel.vectors][rows](
      {depth, a.a + row * a.stride, a.stride, panel.b, panel.step, epilogue});
}

void multiply_block(const GemmProblem& p, const MicroKernels& mk, int max_rows,
                    const ABlock& a, RowBlock block, int64_t depth,
                    const Panel& panel, bool first, bool last) {
  const RowTiles tiles(block.rows, max_rows);
  for (int64_t t = 0; t < tiles.count; t++) {
    const int rows = tiles.size(t);
    float* c[kMaxTileRows];
    for (int i = 0; i < rows; i++)
      c[i] = p.c + (block.begin + tiles.begin(t) + i) * p.n + panel.column;
    const TileEpilogue epilogue{
        c, panel.width, last && p.bias ? p.bias + panel.column : nullptr,
        !first || p.accumulate, last ? p.activation : Activation::none};
    prefetch_tile(c, rows, panel.width);
    multiply_tile(p, mk, a, tiles.begin(t), rows, depth, panel, epilogue);
  }
}

template <const MicroKernels& mk>
void run_blocked(const GemmProblem& p) {
  if (p.m == 0 || p.n == 0) return;
  const Tiling tiling(p, mk);
  const int max_rows = tiling.max_rows;
  const int threads = threads_for_flops(2.0 * p.m * p.n * (p.k + 1));

  Panels panels(p, mk, tiling.vectors);
  const RowTiles blocks(p.m,
                        max_rows * std::max<int>(1, kRowsPerBlock / max_rows));
  const int64_t block_rows = ceil_div(p.m, blocks.count);
  const int64_t k_blocks = std::max<int64_t>(1, ceil_div(p.k, kDepthBlock));

  const bool copy_a = p.n > 8 * mk.lanes && p.m > mk.max_rows && p.k > 64 &&
                      (p.transpose_a || rows_collide(p.k));
  const int64_t copy_line =
      (p.transpose_a ? block_rows : std::min(p.k, kDepthBlock)) + 2 * kPad;
  const int64_t copy_lines =
      p.transpose_a ? std::min(p.k, kDepthBlock) : block_rows;
  const Scratch a_copies(
      copy_a ? static_cast<size_t>(copy_line * copy_lines) : 0, threads);
  const Scratch packed(panels.size(), 1);
  panels.use(packed.of(0));

  for (int64_t j0 = 0; j0 < p.n; j0 += kColumnBlock) {
    const int64_t j1 = std::min(p.n, j0 + kColumnBlock);
    for (int64_t kb = 0; kb < k_blocks; kb++) {
      const int64_t k0 = p.k * kb / k_blocks;
      const int64_t depth = p.k * (kb + 1) / k_blocks - k0;
      panels.set_block(j0, j1, k0, depth);
      const int64_t count = panels.count();
      const int64_t first_copied = panels.copied(0) ? 0 : count - 1;
      if (panels.copied(count - 1))
        parallel_for(
            count - first_copied, threads_for_bytes(8.0 * depth * (j1 - j0)),
            [&](int64_t task, int) { panels.pack(first_copied + task); });
      const double tasks =
          std::min(kMostTasks, (j1 - j0) * depth *
                                   std::max(2.0 * p.m / kFlopsPerTask,
                                            sizeof(float) / kBytesPerTask));
      const int64_t groups = std::clamp<int64_t>(
          static_cast<int64_t>(tasks / blocks.count), 1, count);
      std::vector<Held> held(static_cast<size_t>(threads));
      parallel_for(
          blocks.count * groups, threads, [&](int64_t task, int worker) {
            const int64_t index = task / groups, group = task % groups;
            const RowBlock block{blocks.begin(index), blocks.size(index)};
            Held& a = held[static_cast<size_t>(worker)];
            if (a.block != index) {
              a.a = block_of_a(p, block, k0, depth,
                               copy_a ? a_copies.of(worker) : nullptr);
              a.block = index;
            }
            for (int64_t j = count * group / groups;
                 j < count * (group + 1) / groups; j++)
              multiply_block(p, mk, max_rows, a.a, block, depth,
                             panels.panel(j), kb == 0, kb == k_blocks - 1);
          });
    }
  }
}

// How many parts of the depth are multiplied apart, by the shape alone. Cut by
// columns instead, all threads would read lines of all of B's rows; where B is
// a layer's weights, the optimizer's threads, which have each a range of rows,
// would then take every line back from another core, the dearest thing there is
// where cores do not share a cache.
int64_t depth_parts(const GemmProblem& p) {
  const double most =
      std::min({2.0 * p.m * p.n * p.k / kFlopsPerDepthPart,
                p.k / (kPartDepthPerRow * p.m), kMostDepthParts});
  int64_t parts = 1;
  while (2 * parts <= most) parts *= 2;
  return parts;
}

template <const MicroKernels& mk>
const char* slower_split_depth(const GemmProblem& p) {
  if (p.transpose_b) return "B's rows are columns";
  if (p.m > 4 * mk.max_rows) return "rows enough to pack B for";
  return p.m > 0 && depth_parts(p) > 1 ? nullptr : "not deep enough";
}

template <const MicroKernels& mk, const FewRowsKernels& few>
void run_split_depth(const GemmProblem& p) {
  if (p.m == 0 || p.n == 0) return;
  const int64_t parts = depth_parts(p);
  const int threads = threads_for_flops(2.0 * p.m * p.n * (p.k + 1));
  const Tiling tiling(p, mk);
  const size_t packed_floats = Panels(p, mk, tiling.vectors).size();
  const Scratch packed(packed_floats, threads);
  const Scratch sums(static_cast<size_t>(p.m * p.n * (parts - 1)), 1);
  parallel_for(parts, threads, [&](int64_t part, int worker) {
    GemmProblem q = p;
    if (parts > 1) q.bias = nullptr, q.activation = Activation::none;
    if (part > 0) {
      q.c = sums.of(0) + (part - 1) * p.m * p.n;
      q.accumulate = false;
    }
    Panels panels(p, mk, tiling.vectors);
    panels.use(packed.of(worker));
    const int64_t begin = p.k * part / parts, end = p.k * (part + 1) / parts;
    const int64_t k_blocks =
        std::max<int64_t>(1, ceil_div(end - begin, kDepthBlock));
    for (int64_t j0 = 0; j0 < p.n; j0 += kColumnBlock)
      for (int64_t kb = 0; kb < k_blocks; kb++) {
        const int64_t k0 = begin + (end - begin) * kb / k_blocks;
        const int64_t k1 = begin + (end - begin) * (kb + 1) / k_blocks;
        const RowBlock rows{0, p.m};
        const ABlock a = block_of_a(p, rows, k0, k1 - k0, nullptr);
        panels.set_block(j0, std::min(p.n, j0 + kColumnBlock), k0, k1 - k0);
        for (int64_t j = 0; j < panels.count(); j++) {
          if (panels.copied(j)) panels.pack(j);
          multiply_block(q, mk, tiling.max_rows, a, rows, k1 - k0,
                         panels.panel(j), kb == 0, kb == k_blocks - 1);
        }
      }
  });
  add_parts(p, few, sums.of(0), parts - 1);
}

template <const FewRowsKernels& kernels>
void few_rows(const GemmProblem& p) {
  run_few_rows(p, kernels);
}

const Algorithm<GemmProblem> kAlgorithms[] = {
#if defined(__x86_64__)
    {"few_rows_avx512", Isa::avx512, refuse_many_rows,
     few_rows<avx512::kFewRowsKernels>, slower_few_rows},
    {"split_depth_avx512", Isa::avx512, refuse_none,
     run_split_depth<avx512::kMicroKernels, avx512::kFewRowsKernels>,
     slower_split_depth<avx512::kMicroKernels>},
    {"blocked_avx512", Isa::avx512, refuse_none,
     run_blocked<avx512::kMicroKernels>},
    {"few_rows_avx2", Isa::avx2, refuse_many_rows,
     few_rows<avx2::kFewRowsKernels>, slower_few_rows},
    {"split_depth_avx2", Isa::avx2, refuse_none,
     run_split_depth<avx2::kMicroKernels, avx2::kFewRowsKernels>,
     slower_split_depth<avx2::kMicroKernels>},
    {"blocked_avx2", Isa::avx2, refuse_none, run_blocked<avx2::kMicroKernels>},
#elif defined(__aarch64__)
    {"few_rows_neon", Isa::neon, refuse_many_rows,
     few_rows<neon::kFewRowsKernels>, slower_few_rows},
    {"split_depth_neon", Isa::neon, refuse_none,
     run_split_depth<neon::kMicroKernels, neon::kFewRowsKernels>,
     slower_split_depth<neon::kMicroKernels>},
    {"blocked_neon", Isa::neon, refuse_none, run_blocked<neon::kMicroKernels>},
#endif
    {"ref", Isa::ref, refuse_none, ref::gemm},
};
const AlgorithmList kList("gemm", kAlgorithms);

}  // namespace

void gemm(const GemmProblem& problem) { kList.run(problem); }

}  // namespace tw::cpu
