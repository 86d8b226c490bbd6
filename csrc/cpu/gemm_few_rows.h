// Products with up to four rows of A (batch 1 and the like): bound by reading B
// once, which is why B is read as it lies, along its rows, and never packed.
#pragma once

#include <cstdint>

#include "cpu/activation.h"

namespace tw::cpu {

// c[i, :] = activation([c[i, :]] + sum over k of a[i, k] * b[k, :] + bias), or
// with the rows of B as columns: sum over k of a[i, k] * b[j, k].
struct FewRows {
  int rows;  // 1..kFewRows
  int64_t depth, columns;
  const float* a;
  int64_t a_row, a_step;  // element (i, k) at i * a_row + k * a_step
  const float* b;
  int64_t b_step;  // between B's rows
  float* c;
  int64_t c_row;
  const float* bias;  // null: none
  bool accumulate;
  Activation activation;
};

constexpr int kFewRows = 4;

struct FewRowsKernels {
  void (*streamed)(const FewRows&);  // B (depth, columns)
  void (*dots)(const FewRows&);      // B (columns, depth); a_step is 1
};

struct GemmProblem;

void run_few_rows(const GemmProblem& problem, const FewRowsKernels& kernels);

// Adds `count` matrices that follow on each other to C, in their order, then
// bias and activation. Nothing happens where there are none.
void add_parts(const GemmProblem& problem, const FewRowsKernels& kernels,
               const float* parts, int64_t count);

// As an Algorithm asks it (algorithm.h).
const char* refuse_many_rows(const GemmProblem& problem);
const char* slower_few_rows(const GemmProblem& problem);

#if defined(__x86_64__)
namespace avx512 {
extern const FewRowsKernels kFewRowsKernels;
}
namespace avx2 {
extern const FewRowsKernels kFewRowsKernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const FewRowsKernels kFewRowsKernels;
}
#endif

}  // namespace tw::cpu
