// A tensor map of two dimensions, as cuTensorMapEncodeTiled makes it.
#pragma once

#include <cstdint>

namespace tw::cudasim {

struct alignas(64) TensorMap {
  const unsigned char* data;
  uint64_t depth, rows, pitch;  // numbers, rows, bytes
  int number_bytes, box_depth, box_rows;
  int swizzle;  // over 128, 64 or 32 bytes; 0: none
};

// Throws std::invalid_argument for what the driver refuses, and for boxes whose
// rows are not as long as the swizzle, which is not modelled.
TensorMap encode_tensor_map(const void* data, int number_bytes, uint64_t depth,
                            uint64_t rows, uint64_t pitch, int box_depth,
                            int box_rows, int swizzle);

}  // namespace tw::cudasim
