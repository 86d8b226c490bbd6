#include "cudasim/dialect.hpp"

namespace tw::cudasim {

unsigned ballot(unsigned mask, bool predicate, Site site) {
  struct Vote {
    bool predicate;
    unsigned result;
  } mine{predicate, 0};
  warp_operation(
      mask, mine,
      [](Vote** of) {
        unsigned result = 0;
        for (int lane = 0; lane < kWarp; lane++)
          if (of[lane] && of[lane]->predicate) result |= 1u << lane;
        for (int lane = 0; lane < kWarp; lane++)
          if (of[lane]) of[lane]->result = result;
      },
      site);
  return mine.result;
}

}  // namespace tw::cudasim
