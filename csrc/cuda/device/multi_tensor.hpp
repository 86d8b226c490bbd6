// One launch over many arrays: a table of them travels with the launch, and a
// block finds its own piece by the number of blocks before each array.
#pragma once

#include <algorithm>

#include "common/integers.h"
#include "cuda/device/memory.hpp"
#include "cuda/launch.hpp"

namespace tw::cuda {

constexpr int kTensorThreads = 256;
constexpr int kTensorPiece = 4096;  // elements of a block

// The two sizes of tables: what is enough for most models, and what a launch
// may carry (32,764 bytes; CUDA 12.1 and later).
constexpr int kFewTensors = 48;
constexpr int kManyTensors = 512;

template <class Tensor, int kMost>
struct TensorTable {
  Tensor tensor[kMost];
  int first_block[kMost];
  int count;
};

// The tensor that block `block` has a piece of, and the piece.
template <class Table>
__device__ __forceinline__ int find_tensor(const Table& table, int block) {
  int low = 0, high = table.count - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (table.first_block[middle] <= block)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

// body(index, four) for the elements of this block's piece: four at a time
// where `aligned`, one (four = false) else.
template <class Tensor, class Body>
__device__ __forceinline__ void over_piece(const Tensor& tensor, int64_t piece,
                                           bool aligned, Body body) {
  const int64_t begin = piece * kTensorPiece;
  const int64_t left = tensor.size - begin;
  const int count = left < kTensorPiece ? static_cast<int>(left) : kTensorPiece;
  const int by_four = aligned ? count & ~3 : 0;
  for (int i = threadIdx.x * 4; i < by_four; i += kTensorThreads * 4)
    body(begin + i, std::true_type());
  for (int i = by_four + threadIdx.x; i < count; i += kTensorThreads)
    body(begin + i, std::false_type());
}

// step(tensor, index, four) for the elements of this block's piece; `aligned`
// says of a tensor whether four at a time may be.
template <class Table, class Aligned, class Step>
__device__ __forceinline__ void over_block(const Table& table, Aligned aligned,
                                           Step step) {
  const auto block = static_cast<int>(blockIdx.x);
  const int number = find_tensor(table, block);
  const auto& t = table.tensor[number];
  over_piece(t, block - table.first_block[number], aligned(t),
             [&](int64_t at, auto four) { step(t, at, four); });
}

// Launches kernel_few or kernel_many over the tensors, in as few launches as
// the tables allow: one, for up to kManyTensors of them.
template <class Tensor, class Coefficients>
void launch_over_tensors(const char* name, const Tensor* tensors, size_t count,
                         const Coefficients& coefficients,
                         void (*kernel_few)(TensorTable<Tensor, kFewTensors>,
                                            Coefficients),
                         void (*kernel_many)(TensorTable<Tensor, kManyTensors>,
                                             Coefficients),
                         Stream stream, size_t shared_bytes = 0) {
  const auto run = [&](auto& table, auto kernel, size_t begin, size_t end) {
    int64_t blocks = 0;
    table.count = 0;
    for (size_t i = begin; i < end; i++) {
      if (tensors[i].size == 0) continue;
      table.tensor[table.count] = tensors[i];
      table.first_block[table.count++] = static_cast<int>(blocks);
      blocks += ceil_div(tensors[i].size, kTensorPiece);
    }
    if (blocks > INT32_MAX)
      throw std::invalid_argument(std::string(name) + ": too many elements");
    if (blocks == 0) return;
    launch(name, kernel, dim3(static_cast<unsigned>(blocks)),
           dim3(kTensorThreads), shared_bytes, stream, table, coefficients);
  };
  if (count <= kFewTensors) {
    TensorTable<Tensor, kFewTensors> table;
    return run(table, kernel_few, 0, count);
  }
  TensorTable<Tensor, kManyTensors> table;
  for (size_t begin = 0; begin < count; begin += kManyTensors)
    run(table, kernel_many, begin, std::min(count, begin + kManyTensors));
}

}  // namespace tw::cuda
