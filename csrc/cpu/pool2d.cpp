// Threads take blocks of rows: output rows forward and where windows do not
// overlap (each dx row belongs to one output row), input rows where they do.
// No two tasks write the same row, so nothing is atomic and the bits do not
// depend on the threads. A block is about 64 KiB of input, which stays in L1
// and L2 from the first reading of a row to its last.
#include "cpu/pool2d.h"

#include <algorithm>
#include <atomic>

#include "cpu/algorithm.h"
#include "cpu/parallel.h"
#include "cpu/pool2d_kernels.h"

namespace tw::cpu {
namespace {

constexpr int64_t kBlockFloats = 16384;
constexpr int64_t kCheckBlock = 65536;

// The kernel's part of `row` of image n.
void run_row(const PoolKernels& kernels, const PoolProblem& problem, int64_t n,
             int64_t row) {
  const PoolShape& s = problem.shape;
  const int64_t input = s.H * s.W * s.C, output = s.P * s.Q * s.C;
  const bool forward =
      problem.pass == PoolPass::max || problem.pass == PoolPass::avg;
  const float* src = problem.src + n * (forward ? input : output);
  float* dst =
      problem.dst + (forward ? n * output + row * s.Q * s.C : n * input);
  const int64_t at = n * output + row * s.Q * s.C;
  switch (problem.pass) {
    case PoolPass::max:
      return s.byte_indices()
                 ? kernels.max_u8(
                       s, src, row, false, dst,
                       static_cast<uint8_t*>(problem.dst_indices) + at)
                 : kernels.max_i32(
                       s, src, row, false, dst,
                       static_cast<int32_t*>(problem.dst_indices) + at);
    case PoolPass::avg:
      return kernels.avg(s, src, row, problem.count_include_pad, dst);
    case PoolPass::max_backward:
      return s.byte_indices()
                 ? kernels.max_backward_u8(
                       s, src,
                       static_cast<const uint8_t*>(problem.src_indices) +
                           n * output,
                       row, dst)
                 : kernels.max_backward_i32(
                       s, src,
                       static_cast<const int32_t*>(problem.src_indices) +
                           n * output,
                       row, dst);
    case PoolPass::avg_backward:
      return kernels.avg_backward(s, src, row, problem.count_include_pad, dst);
  }
}

template <const PoolKernels& kernels>
void run(const PoolProblem& problem) {
  const PoolShape& s = problem.shape;
  const bool backward = problem.pass == PoolPass::max_backward ||
                        problem.pass == PoolPass::avg_backward;
  const bool by_input_row = backward && s.overlapping();
  const int64_t rows = by_input_row ? s.H : s.P;
  const int64_t floats =
      s.W * s.C * (by_input_row ? 1 : std::min(s.stride_h, s.H));
  const int64_t rows_per_task =
      std::max<int64_t>(1, kBlockFloats / std::max<int64_t>(1, floats));
  const int64_t all_rows = s.N * rows;
  const int64_t tasks = (all_rows + rows_per_task - 1) / rows_per_task;
  const double bytes = 4.0 * static_cast<double>(s.N * s.C) *
                       static_cast<double>(s.H * s.W + s.P * s.Q);
  parallel_for(tasks, threads_for_bytes(bytes), [&](int64_t task, int) {
    const int64_t end = std::min(all_rows, (task + 1) * rows_per_task);
    for (int64_t i = task * rows_per_task; i < end; i++)
      run_row(kernels, problem, i / rows, i % rows);
  });
}

const Algorithm<PoolProblem> kAlgorithms[] = {
#if defined(__x86_64__)
    {"rows_avx512", Isa::avx512, refuse_none, run<avx512::kPoolKernels>},
    {"rows_avx2", Isa::avx2, refuse_none, run<avx2::kPoolKernels>},
#elif defined(__aarch64__)
    {"rows_neon", Isa::neon, refuse_none, run<neon::kPoolKernels>},
#endif
    {"ref", Isa::ref, refuse_none, run<ref::kPoolKernels>},
};
const AlgorithmList algorithms_of_pool2d("pool2d", kAlgorithms);

const PoolKernels& kernels_in_force() {
  switch (isa_in_force()) {
#if defined(__x86_64__)
    case Isa::avx512: return avx512::kPoolKernels;
    case Isa::avx2: return avx2::kPoolKernels;
#elif defined(__aarch64__)
    case Isa::neon: return neon::kPoolKernels;
#endif
    default: return ref::kPoolKernels;
  }
}

// Adding one puts the code for no gradient (all ones) before the taps, so that
// the valid codes are 0 to taps; a greatest value needs no branch and is a
// vector instruction.
template <class Unsigned>
bool all_valid(const void* indices, int64_t count, Unsigned taps) {
  const auto* codes = static_cast<const Unsigned*>(indices);
  std::atomic<bool> valid{true};
  const int64_t tasks = (count + kCheckBlock - 1) / kCheckBlock;
  const int threads =
      threads_for_bytes(static_cast<double>(count) * sizeof(Unsigned));
  parallel_for(tasks, threads, [&](int64_t task, int) {
    const int64_t end = std::min(count, (task + 1) * kCheckBlock);
    Unsigned greatest = 0;
    for (int64_t i = task * kCheckBlock; i < end; i++)
      greatest = std::max(greatest, static_cast<Unsigned>(codes[i] + 1u));
    if (greatest > taps) valid.store(false, std::memory_order_relaxed);
  });
  return valid;
}

}  // namespace

void pool2d(const PoolProblem& problem) { algorithms_of_pool2d.run(problem); }

bool pool_indices_valid(const PoolShape& shape, const void* indices) {
  const int64_t count = shape.N * shape.P * shape.Q * shape.C;
  const int64_t taps = shape.R * shape.S;
  return shape.byte_indices()
             ? all_valid(indices, count, static_cast<uint8_t>(taps))
             : all_valid(indices, count, static_cast<uint32_t>(taps));
}

void max_pool2d_rows(const float* x, int64_t row_stride, int64_t W, int64_t C,
                     int64_t R, int64_t S, int64_t sh, int64_t sw, int64_t Q,
                     int64_t out_rows, bool relu, float* y,
                     uint8_t* indices) noexcept {
  const PoolShape shape = {
      1,         (out_rows - 1) * sh + R, W, C, out_rows, Q, R, S, sh, sw, 0, 0,
      row_stride};
  const PoolKernels& kernels = kernels_in_force();
  for (int64_t p = 0; p < out_rows; p++)
    kernels.max_u8(shape, x, p, relu, y + p * Q * C, indices + p * Q * C);
}

}  // namespace tw::cpu
