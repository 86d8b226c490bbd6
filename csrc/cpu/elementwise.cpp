// Threads take blocks of a fixed number of elements. A bias gradient is cut in
// both directions: blocks of columns are independent, blocks of rows leave
// partial sums that are added in block order, so the bits do not depend on the
// number of threads.
#include "cpu/elementwise.h"

#include <algorithm>
#include <cmath>

#include "common/integers.h"
#include "cpu/algorithm.h"
#include "cpu/allocator.h"
#include "cpu/elementwise_kernels.h"
#include "cpu/parallel.h"
#include "cpu/streaming.h"

namespace tw::cpu {
namespace {

constexpr int64_t kBlock = 16384;  // 64 KiB of each array
// A block of the bias gradient: its sums stay in L1 while rows pass over them,
// and the partial sums of a block are a 256th of what it reads, or less.
constexpr int64_t kColumnBlock = 4096;
constexpr int64_t kFewestRows = 256;
constexpr int64_t kBlockFloats = 32768;

// body(begin, size) for each block.
template <class Body>
void over_blocks(int64_t count, int arrays, Body body) {
  const double bytes = 4.0 * arrays * static_cast<double>(count);
  parallel_for(ceil_div(count, kBlock), threads_for_bytes(bytes),
               [&](int64_t task, int) {
                 const int64_t begin = task * kBlock;
                 body(begin, std::min(kBlock, count - begin));
               });
}

template <const ElementwiseKernels& kernels>
void run_activation(const ActivationForward& p) {
  const bool streaming = p.y != p.x && pays_streaming(p.y, p.count);
  over_blocks(p.count, 2, [&](int64_t begin, int64_t size) {
    kernels.activation(
        {p.kind, p.negative_slope, size, p.x + begin, p.y + begin}, streaming);
  });
}

template <const ElementwiseKernels& kernels>
void run_activation_backward(const ActivationBackward& p) {
  const bool streaming =
      p.dx != p.dy && p.dx != p.saved && pays_streaming(p.dx, p.count);
  over_blocks(p.count, 3, [&](int64_t begin, int64_t size) {
    kernels.activation_backward({p.kind, p.negative_slope, size, p.dy + begin,
                                 p.saved + begin, p.dx + begin},
                                streaming);
  });
}

template <const ElementwiseKernels& kernels>
void run_dropout(const Dropout& p) {
  // u is a multiple of 2^-24, so u >= p is a comparison of integers.
  const auto threshold = static_cast<int32_t>(std::ceil(p.p * 16777216.0));
  const float scale = p.p < 1 ? static_cast<float>(1 / (1 - p.p)) : 0;
  over_blocks(p.count, 2, [&](int64_t begin, int64_t size) {
    const uint64_t counter = p.offset + static_cast<uint64_t>(begin) / 4;
    kernels.dropout(
        {p.seed, counter, threshold, scale, size, p.x + begin, p.y + begin});
  });
}

template <const ElementwiseKernels& kernels>
void run_bias_gradient(const BiasGradient& p) {
  if (p.k == 0) return;
  const int64_t block_rows = std::max(kFewestRows, kBlockFloats / p.k);
  const int64_t row_blocks = std::max<int64_t>(1, ceil_div(p.rows, block_rows));
  const int64_t column_blocks = ceil_div(p.k, kColumnBlock);
  const int64_t tasks = row_blocks * column_blocks;  // of a group
  const bool partial = row_blocks > 1;
  const Scratch sums(partial ? static_cast<size_t>(p.k) : 0,
                     partial ? static_cast<int>(p.groups * row_blocks) : 0);
  const double bytes = 4.0 * static_cast<double>(p.groups) *
                       static_cast<double>(p.rows) * static_cast<double>(p.k);
  parallel_for(
      p.groups * tasks, threads_for_bytes(bytes), [&](int64_t task, int) {
        const int64_t group = task / tasks;
        const int64_t block = task % tasks / column_blocks;
        const int64_t row = block * block_rows;
        const int64_t column = task % column_blocks * kColumnBlock;
        float* out = partial
                         ? sums.of(static_cast<int>(group * row_blocks + block))
                         : p.dbias + group * p.k;
        kernels.column_sums(p.dy + (group * p.rows + row) * p.stride + column,
                            p.stride, std::min(block_rows, p.rows - row),
                            std::min(kColumnBlock, p.k - column), out + column);
      });
  if (partial)
    parallel_for(p.groups, 1, [&](int64_t group, int) {
      kernels.column_sums(sums.of(static_cast<int>(group * row_blocks)),
                          sums.of(1) - sums.of(0), row_blocks, p.k,
                          p.dbias + group * p.k);
    });
}

template <const ElementwiseKernels& kernels>
void run_arithmetic(const Arithmetic& p) {
  const StridedGrid<2>& grid = p.grid;
  const int64_t rows = grid.rows(), columns = grid.columns();
  if (rows * columns == 0) return;
  const int64_t wide = std::min(columns, kBlock);
  const int64_t high = std::max<int64_t>(1, kBlock / wide);
  const int64_t across = ceil_div(columns, wide);
  const double bytes = 12.0 * static_cast<double>(rows * columns);
  const float* a = p.a ? p.a : &p.a_value;
  const float* b = p.b ? p.b : &p.b_value;
  const bool streaming = p.y != a && p.y != b &&
                         (rows == 1 || columns % kLineFloats == 0) &&
                         pays_streaming(p.y, rows * columns);
  parallel_for(
      ceil_div(rows, high) * across, threads_for_bytes(bytes),
      [&](int64_t task, int) {
        const int64_t column = task % across * wide;
        int64_t row = task / across * high;
        ArithmeticBlock block{};
        block.operation = p.operation;
        block.columns = std::min(wide, columns - column);
        block.a_row = grid.row_stride(0), block.b_row = grid.row_stride(1);
        block.a_column = grid.column_stride(0);
        block.b_column = grid.column_stride(1);
        block.streaming = streaming;
        grid.over_rows(row, std::min(row + high, rows),
                       [&](const int64_t (&offsets)[2], int64_t count) {
                         block.rows = count;
                         block.a = a + offsets[0] + column * block.a_column;
                         block.b = b + offsets[1] + column * block.b_column;
                         block.y = p.y + row * columns + column;
                         kernels.arithmetic(block);
                         row += count;
                       });
      });
}

const Algorithm<ActivationForward> kActivation[] = {
#if defined(__x86_64__)
    {"blocks_avx512", Isa::avx512, refuse_none,
     run_activation<avx512::kElementwiseKernels>},
    {"blocks_avx2", Isa::avx2, refuse_none,
     run_activation<avx2::kElementwiseKernels>},
#elif defined(__aarch64__)
    {"blocks_neon", Isa::neon, refuse_none,
     run_activation<neon::kElementwiseKernels>},
#endif
    {"ref", Isa::ref, refuse_none, run_activation<ref::kElementwiseKernels>},
};
const AlgorithmList kActivationList("activation", kActivation);

const Algorithm<ActivationBackward> kActivationBackward[] = {
#if defined(__x86_64__)
    {"blocks_avx512", Isa::avx512, refuse_none,
     run_activation_backward<avx512::kElementwiseKernels>},
    {"blocks_avx2", Isa::avx2, refuse_none,
     run_activation_backward<avx2::kElementwiseKernels>},
#elif defined(__aarch64__)
    {"blocks_neon", Isa::neon, refuse_none,
     run_activation_backward<neon::kElementwiseKernels>},
#endif
    {"ref", Isa::ref, refuse_none,
     run_activation_backward<ref::kElementwiseKernels>},
};
const AlgorithmList kActivationBackwardList("activation_backward",
                                            kActivationBackward);

const Algorithm<Dropout> kDropout[] = {
#if defined(__x86_64__)
    {"blocks_avx512", Isa::avx512, refuse_none,
     run_dropout<avx512::kElementwiseKernels>},
    {"blocks_avx2", Isa::avx2, refuse_none,
     run_dropout<avx2::kElementwiseKernels>},
#elif defined(__aarch64__)
    {"blocks_neon", Isa::neon, refuse_none,
     run_dropout<neon::kElementwiseKernels>},
#endif
    {"ref", Isa::ref, refuse_none, run_dropout<ref::kElementwiseKernels>},
};
const AlgorithmList kDropoutList("dropout", kDropout);

const Algorithm<BiasGradient> kBiasGradient[] = {
#if defined(__x86_64__)
    {"blocks_avx512", Isa::avx512, refuse_none,
     run_bias_gradient<avx512::kElementwiseKernels>},
    {"blocks_avx2", Isa::avx2, refuse_none,
     run_bias_gradient<avx2::kElementwiseKernels>},
#elif defined(__aarch64__)
    {"blocks_neon", Isa::neon, refuse_none,
     run_bias_gradient<neon::kElementwiseKernels>},
#endif
    {"ref", Isa::ref, refuse_none, run_bias_gradient<ref::kElementwiseKernels>},
};
const AlgorithmList kBiasGradientList("bias_gradient", kBiasGradient);

const Algorithm<Arithmetic> kArithmetic[] = {
#if defined(__x86_64__)
    {"blocks_avx512", Isa::avx512, refuse_none,
     run_arithmetic<avx512::kElementwiseKernels>},
    {"blocks_avx2", Isa::avx2, refuse_none,
     run_arithmetic<avx2::kElementwiseKernels>},
#elif defined(__aarch64__)
    {"blocks_neon", Isa::neon, refuse_none,
     run_arithmetic<neon::kElementwiseKernels>},
#endif
    {"ref", Isa::ref, refuse_none, run_arithmetic<ref::kElementwiseKernels>},
};
const AlgorithmList kArithmeticList("arithmetic", kArithmetic);

}  // namespace

void activation(const ActivationForward& problem) {
  kActivationList.run(problem);
}
void activation_backward(const ActivationBackward& problem) {
  kActivationBackwardList.run(problem);
}
void dropout(const Dropout& problem) { kDropoutList.run(problem); }
void bias_gradient(const BiasGradient& problem) {
  kBiasGradientList.run(problem);
}
void arithmetic(const Arithmetic& problem) { kArithmeticList.run(problem); }

}  // namespace tw::cpu
