// Instructions of a warp's lanes together.
#pragma once

#include "cudasim/dialect.hpp"

namespace tw::cudasim::ptx {

// shfl.sync: what a lane takes, and whether its source was in range (PTX ISA,
// "shfl.sync"). `bounds` holds a clamp in bits 0-4 and a mask of the lane's
// bits that name its segment in bits 8-12.
struct Taken {
  uint32_t value;
  bool in_range;
};
Taken shuffle_up(uint32_t value, uint32_t by, uint32_t bounds, uint32_t mask,
                 const Site& site);
Taken shuffle_down(uint32_t value, uint32_t by, uint32_t bounds, uint32_t mask,
                   const Site& site);
Taken shuffle_bfly(uint32_t value, uint32_t flip, uint32_t bounds,
                   uint32_t mask, const Site& site);
Taken shuffle_idx(uint32_t value, uint32_t from, uint32_t bounds, uint32_t mask,
                  const Site& site);

inline void trap(const Site& site) { fault("trap at " + text(site)); }

}  // namespace tw::cudasim::ptx
