#include "cudasim/ptx/warps.hpp"

namespace tw::cudasim::ptx {
namespace {

// The lanes of the caller's segment: up to `last`, which is the first in `up`.
struct Segment {
  int first, last;
  explicit Segment(uint32_t bounds) {
    const uint32_t lane = static_cast<uint32_t>(current->lane);
    const uint32_t clamp = bounds & 31, mask = bounds >> 8 & 31;
    first = static_cast<int>(lane & mask);
    last = static_cast<int>((lane & mask) | (clamp & ~mask));
  }
};

Taken take(uint32_t value, int from, bool in_range, uint32_t mask,
           const Site& site) {
  return {exchange(mask, value, in_range ? from : current->lane, site),
          in_range};
}

int distance(uint32_t operand) { return static_cast<int>(operand & 31); }

}  // namespace

Taken shuffle_up(uint32_t value, uint32_t by, uint32_t bounds, uint32_t mask,
                 const Site& site) {
  const int from = current->lane - distance(by);
  return take(value, from, from >= Segment(bounds).last, mask, site);
}

Taken shuffle_down(uint32_t value, uint32_t by, uint32_t bounds, uint32_t mask,
                   const Site& site) {
  const int from = current->lane + distance(by);
  return take(value, from, from <= Segment(bounds).last, mask, site);
}

Taken shuffle_bfly(uint32_t value, uint32_t flip, uint32_t bounds,
                   uint32_t mask, const Site& site) {
  const int from = current->lane ^ distance(flip);
  return take(value, from, from <= Segment(bounds).last, mask, site);
}

Taken shuffle_idx(uint32_t value, uint32_t from, uint32_t bounds, uint32_t mask,
                  const Site& site) {
  const Segment segment(bounds);
  const int free_bits = static_cast<int>(~(bounds >> 8) & 31);
  const int source = segment.first | (distance(from) & free_bits);
  return take(value, source, source <= segment.last, mask, site);
}

}  // namespace tw::cudasim::ptx
