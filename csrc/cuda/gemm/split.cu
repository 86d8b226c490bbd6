#include "cuda/gemm/split.cuh"

namespace tw::cuda {
namespace {

constexpr int kThreads = 256;

__global__ __launch_bounds__(kThreads) void add_splits_kernel(
    const float* __restrict__ parts, int64_t splits, MatrixStore store) {
  const int64_t quads = (store.columns + 3) / 4;
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t row = i / quads, column = i % quads * 4;
  if (row >= store.rows) return;
  const int64_t size = store.rows * store.columns;
  const float* at = parts + row * store.columns + column;
  float4 sum = make_float4(0, 0, 0, 0);
  for (int64_t part = 0; part < splits; part++, at += size) {
    if (store.vectors) {
      sum = MatrixStore::sum(sum, load4(at));
      continue;
    }
    sum.x += at[0];
    if (column + 1 < store.columns) sum.y += at[1];
    if (column + 2 < store.columns) sum.z += at[2];
    if (column + 3 < store.columns) sum.w += at[3];
  }
  store(row, column, sum);
}

}  // namespace

void add_splits(const float* parts, int64_t splits, const MatrixStore& store,
                Stream stream) {
  const int64_t quads = store.rows * ceil_div(store.columns, 4);
  launch("add_splits", add_splits_kernel,
         dim3(static_cast<unsigned>(ceil_div(quads, kThreads))), dim3(kThreads),
         0, stream, parts, splits, store);
}

}  // namespace tw::cuda
