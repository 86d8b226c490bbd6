// What translated PTX is made of: translator/opcodes.py says which function an
// opcode becomes.
#pragma once

#include "cudasim/async_copy.hpp"
#include "cudasim/mbarrier.hpp"
#include "cudasim/named_barrier.hpp"
#include "cudasim/ptx/kernels.hpp"
#include "cudasim/ptx/numbers.hpp"
#include "cudasim/ptx/spaces.hpp"
#include "cudasim/ptx/warps.hpp"
#include "cudasim/registers.hpp"
#include "cudasim/tensor_core.hpp"
#include "cudasim/tile_copy.hpp"
#include "cudasim/wgmma.hpp"
