// cp.async.bulk.tensor: tiles of a matrix that a copy engine brings to shared
// memory, and whose bytes count for an mbarrier as they land: when no thread
// can go on without them, one after the other, or (Configuration) at once.
#pragma once

#include <cstdint>
#include <random>

#include "cudasim/async_memory.hpp"
#include "cudasim/tensor_map.hpp"

namespace tw::cudasim {

void start_tile_copies();   // a block begins
void finish_tile_copies();  // and ends

void copy_tile_async(void* dst, const TensorMap& map, int depth, int row,
                     uint64_t* mbarrier);
// False: none is on its way.
bool land_a_tile(std::mt19937& random);

}  // namespace tw::cudasim
