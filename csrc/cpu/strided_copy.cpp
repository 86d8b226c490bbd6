// Rows are copied by memcpy where both sides have them whole. Where x has its
// columns one after another instead (axes were exchanged), blocks go through
// registers (transpose.h). Bound by memory.
#include "cpu/strided_copy.h"

#include <algorithm>
#include <cstring>

#include "common/integers.h"
#include "cpu/algorithm.h"
#include "cpu/parallel.h"
#include "cpu/transpose.h"

namespace tw::cpu {
namespace {

constexpr int64_t kBlock = 16384;  // elements a task, about
constexpr int64_t kBlockRow = 256;

// Rows and columns of one task, and how far apart they are.
struct Block {
  int64_t rows, columns;
  const float* x;
  int64_t x_row, x_column;
  float* y;
  int64_t y_row, y_column;
};

using TransposeFunction = void (*)(const Transpose&);

// Without a function for it, transposition is a loop like all else.
template <TransposeFunction transposed>
void copy_block(const Block& b) {
  if (transposed && b.y_column == 1 && b.x_row == 1 && b.x_column > 1)
    return transposed({b.x, b.x_column, b.columns, b.rows, b.y, b.y_row});
  for (int64_t row = 0; row < b.rows; row++) {
    const float* x = b.x + row * b.x_row;
    float* y = b.y + row * b.y_row;
    if (b.x_column == 1 && b.y_column == 1)
      std::memcpy(y, x, static_cast<size_t>(b.columns) * sizeof(float));
    else
      for (int64_t column = 0; column < b.columns; column++)
        y[column * b.y_column] = x[column * b.x_column];
  }
}

template <TransposeFunction transposed>
void run_blocks(const StridedCopy& p) {
  const StridedGrid<2>& grid = p.grid;
  const int64_t rows = grid.rows(), columns = grid.columns();
  if (rows * columns == 0) return;
  // A transposition's blocks have many rows, so that lines of x are read whole.
  const bool transposition = grid.row_stride(0) == 1 && grid.row_stride(1) > 1;
  const int64_t wide = std::min(columns, transposition ? kBlockRow : kBlock);
  const int64_t high = std::max<int64_t>(1, kBlock / wide);
  const int64_t across = ceil_div(columns, wide);
  const double bytes = 8.0 * static_cast<double>(rows * columns);
  parallel_for(
      ceil_div(rows, high) * across, threads_for_bytes(bytes),
      [&](int64_t task, int) {
        const int64_t row = task / across * high;
        const int64_t column = task % across * wide;
        Block b{};
        b.columns = std::min(wide, columns - column);
        b.x_row = grid.row_stride(0), b.x_column = grid.column_stride(0);
        b.y_row = grid.row_stride(1), b.y_column = grid.column_stride(1);
        grid.over_rows(row, std::min(row + high, rows),
                       [&](const int64_t (&offsets)[2], int64_t count) {
                         b.rows = count;
                         b.x = p.x + offsets[0] + column * b.x_column;
                         b.y = p.y + offsets[1] + column * b.y_column;
                         copy_block<transposed>(b);
                       });
      });
}

const Algorithm<StridedCopy> kAlgorithms[] = {
#if defined(__x86_64__)
    {"blocks_avx512", Isa::avx512, refuse_none, run_blocks<avx512::transpose>},
    {"blocks_avx2", Isa::avx2, refuse_none, run_blocks<avx2::transpose>},
#elif defined(__aarch64__)
    {"blocks_neon", Isa::neon, refuse_none, run_blocks<neon::transpose>},
#endif
    {"ref", Isa::ref, refuse_none, run_blocks<nullptr>},
};
const AlgorithmList kList("copy", kAlgorithms);

}  // namespace

void strided_copy(const StridedCopy& problem) { kList.run(problem); }

}  // namespace tw::cpu
