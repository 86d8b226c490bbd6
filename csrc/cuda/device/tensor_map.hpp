// A matrix in global memory as the copy engine of Hopper sees it, made by the
// host and passed to a kernel by value.
#pragma once

#include <stdexcept>
#include <string>

#include "cuda/device/dialect.hpp"
#ifdef __CUDACC__
#include <cuda.h>
#include <cuda_runtime_api.h>
#else
#include "cudasim/tensor_map.hpp"
#endif

namespace tw::cuda {

// Rows of `depth` numbers, `pitch_bytes` from one to the next, of which tiles
// of `box_rows` x 128 bytes are copied. What lies outside is copied as zeros.
struct TiledMatrix {
  const void* data;                  // aligned to 16 bytes
  int number_bytes;                  // 2: bfloat16, 4: float32
  int64_t rows, depth, pitch_bytes;  // pitch: a multiple of 16
  int box_rows;                      // up to 256
};
constexpr int kTileRowBytes = 128;

#ifdef __CUDACC__

using TensorMap = CUtensorMap;

#ifdef TW_CUDA_SM90A

// The driver's function, found at run time: nothing is linked with the driver.
inline auto tensor_map_encoder() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found;
  const cudaError_t status = cudaGetDriverEntryPointByVersion(
      "cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found);
  if (status != cudaSuccess || found != cudaDriverEntryPointSuccess)
    throw std::runtime_error("gemm: the driver has no cuTensorMapEncodeTiled");
  return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);
}

// Pieces of 16 bytes lie in shared memory exchanged by the number of their row
// (swizzle of 128 bytes), as the tensor cores read them without conflicts.
inline TensorMap tensor_map(const TiledMatrix& m) {
  static const auto encode = tensor_map_encoder();
  TensorMap map;
  const cuuint64_t extents[2] = {static_cast<cuuint64_t>(m.depth),
                                 static_cast<cuuint64_t>(m.rows)};
  const cuuint64_t pitch[1] = {static_cast<cuuint64_t>(m.pitch_bytes)};
  const cuuint32_t box[2] = {
      static_cast<cuuint32_t>(kTileRowBytes / m.number_bytes),
      static_cast<cuuint32_t>(m.box_rows)};
  const cuuint32_t steps[2] = {1, 1};
  const CUresult result = encode(
      &map,
      m.number_bytes == 2 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16
                          : CU_TENSOR_MAP_DATA_TYPE_FLOAT32,
      2, const_cast<void*>(m.data), extents, pitch, box, steps,
      CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    throw std::runtime_error("gemm: cuTensorMapEncodeTiled failed with " +
                             std::to_string(static_cast<int>(result)));
  return map;
}

#else

inline TensorMap tensor_map(const TiledMatrix&) {
  throw std::runtime_error("gemm: this build has no code for Hopper");
}

#endif

#else

using TensorMap = cudasim::TensorMap;

inline TensorMap tensor_map(const TiledMatrix& m) {
  return cudasim::encode_tensor_map(
      m.data, m.number_bytes, static_cast<uint64_t>(m.depth),
      static_cast<uint64_t>(m.rows), static_cast<uint64_t>(m.pitch_bytes),
      kTileRowBytes / m.number_bytes, m.box_rows, kTileRowBytes);
}

#endif

}  // namespace tw::cuda
