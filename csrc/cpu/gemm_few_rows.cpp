// A task is a range of B's rows, or of its columns where B is transposed. Rows
// are read from end to end, which is how memory is fastest: tasks that are
// columns of B reach two thirds of the bandwidth. The cut follows from the
// shape alone.
#include "cpu/gemm_few_rows.h"

#include <algorithm>

#include "common/integers.h"
#include "cpu/allocator.h"
#include "cpu/gemm.h"
#include "cpu/parallel.h"

namespace tw::cpu {
namespace {

constexpr double kBytesPerTask = 512 << 10;  // of B
constexpr int64_t kMostTasks = 48;
constexpr int64_t kStreamedColumns = 4096;  // of C, which stay in L1
constexpr int64_t kLeastPart = 32;          // rows of B for each row of A
constexpr int64_t kLeastDots = 8;           // columns
constexpr int64_t kLeastColumns = 128;      // from here on streaming pays

// B's rows [k0, k0 + depth) of columns [begin, end), or B's columns if it is
// transposed.
FewRows few_rows(const GemmProblem& p, int64_t k0, int64_t depth, int64_t begin,
                 int64_t end) {
  FewRows t{};
  t.rows = static_cast<int>(p.m);
  t.depth = depth, t.columns = end - begin;
  t.a_row = p.transpose_a ? 1 : p.k, t.a_step = p.transpose_a ? p.m : 1;
  t.a = p.a + k0 * t.a_step;
  t.b_step = p.transpose_b ? p.k : p.n;
  t.b = p.transpose_b ? p.b + begin * p.k + k0 : p.b + k0 * p.n + begin;
  t.c = p.c + begin, t.c_row = p.n;
  t.bias = p.bias ? p.bias + begin : nullptr;
  t.accumulate = p.accumulate, t.activation = p.activation;
  return t;
}

int64_t tasks_for_bytes(const GemmProblem& p) {
  const double bytes = static_cast<double>(p.n * p.k) * sizeof(float);
  return std::clamp<int64_t>(static_cast<int64_t>(bytes / kBytesPerTask), 1,
                             kMostTasks);
}

// The tasks' sums are added in order by the same kernel, times one.
void add_columns(const GemmProblem& p, const FewRowsKernels& kernels,
                 const float* parts, int64_t count, int64_t begin,
                 int64_t end) {
  float ones[kMostTasks];
  std::fill_n(ones, count, 1.0f);
  for (int64_t i = 0; i < p.m; i++) {
    FewRows t = few_rows(p, 0, count, begin, end);
    t.rows = 1;
    t.a = ones, t.a_step = 1;
    t.b = parts + i * p.n + begin, t.b_step = p.m * p.n;
    t.c += i * p.n;
    t.accumulate = true;
    kernels.streamed(t);
  }
}

void run_streamed(const GemmProblem& p, const FewRowsKernels& kernels,
                  int threads) {
  const int64_t column_blocks = ceil_div(p.n, kStreamedColumns);
  const int64_t parts = std::clamp<int64_t>(
      std::min(tasks_for_bytes(p) / column_blocks, p.k / (kLeastPart * p.m)), 1,
      kMostTasks);
  const Scratch sums(static_cast<size_t>(p.m * p.n * (parts - 1)), 1);
  const auto begin_of = [&](int64_t block) {
    return p.n * block / column_blocks;
  };
  parallel_for(parts * column_blocks, threads, [&](int64_t task, int) {
    const int64_t part = task / column_blocks, block = task % column_blocks;
    const int64_t k0 = p.k * part / parts, k1 = p.k * (part + 1) / parts;
    FewRows t = few_rows(p, k0, k1 - k0, begin_of(block), begin_of(block + 1));
    if (part > 0) {
      t.c = sums.of(0) + (part - 1) * p.m * p.n + begin_of(block);
      t.accumulate = false;
    }
    if (parts > 1) t.bias = nullptr, t.activation = Activation::none;
    kernels.streamed(t);
  });
  add_parts(p, kernels, sums.of(0), parts - 1);
}

}  // namespace

void add_parts(const GemmProblem& p, const FewRowsKernels& kernels,
               const float* parts, int64_t count) {
  if (count == 0) return;
  const int64_t column_blocks = ceil_div(p.n, kStreamedColumns);
  parallel_for(
      column_blocks, threads_for_bytes(sizeof(float) * p.m * p.n * (count + 1)),
      [&](int64_t block, int) {
        add_columns(p, kernels, parts, count, p.n * block / column_blocks,
                    p.n * (block + 1) / column_blocks);
      });
}

void run_few_rows(const GemmProblem& p, const FewRowsKernels& kernels) {
  if (p.m == 0 || p.n == 0) return;
  const int threads = threads_for_bytes(sizeof(float) * p.n * p.k);
  if (!p.transpose_b) return run_streamed(p, kernels, threads);
  const int64_t tasks = std::min(tasks_for_bytes(p), ceil_div(p.n, kLeastDots));
  parallel_for(tasks, threads, [&](int64_t task, int) {
    kernels.dots(
        few_rows(p, 0, p.k, p.n * task / tasks, p.n * (task + 1) / tasks));
  });
}

const char* refuse_many_rows(const GemmProblem& p) {
  if (p.m > kFewRows) return "more than four rows";
  if (p.transpose_b && p.transpose_a && p.m > 1)
    return "A has no rows in memory";
  return nullptr;
}

// A streamed row of C is read and written once a block of B's rows.
const char* slower_few_rows(const GemmProblem& p) {
  return p.transpose_b || p.n >= kLeastColumns ? nullptr : "few columns";
}

}  // namespace tw::cpu
