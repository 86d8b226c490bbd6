#include "cudasim/registers.hpp"

#include <algorithm>
#include <string>

#include "cudasim/block.hpp"

namespace tw::cudasim {
namespace {

constexpr int kWarpgroup = 4;  // warps
constexpr int kRegisters = 65536;

int of_warp[kMostWarps];  // of each thread; 0: as the launch gave them

}  // namespace

void start_registers() { std::fill(std::begin(of_warp), std::end(of_warp), 0); }

void finish_registers() {
  const int warps = block_threads() / kWarp;
  int all = 0;
  bool known = true;
  for (int w = 0; w < warps; w++) {
    if (of_warp[w] != of_warp[w / kWarpgroup * kWarpgroup])
      return fault("setmaxnreg: warps of one warpgroup have different numbers");
    known &= of_warp[w] > 0;
    all += of_warp[w] * kWarp;
  }
  if (known && all > kRegisters)
    fault("setmaxnreg: the block takes " + std::to_string(all) +
          " registers, of 65536 that there are");
}

void set_registers(int count, Site site) {
  if (count < 24 || count > 256 || count % 8)
    return fault("setmaxnreg at " + text(site) + ": " + std::to_string(count) +
                 " is no multiple of 8 in [24, 256]");
  struct Nothing {
  } nothing;
  warp_operation(
      ~0u, nothing, [count](Nothing**) { of_warp[current->warp] = count; },
      site);
}

bool elect_one(Site site) {
  struct Vote {
    bool elected;
  } mine{false};
  warp_operation(
      ~0u, mine,
      [](Vote** of) {
        const Order order = configuration.order;
        const auto lane = order == Order::forward ? 0
                          : order == Order::reverse
                              ? kWarp - 1
                              : configuration.seed % kWarp;
        of[lane]->elected = true;
      },
      site);
  return mine.elected;
}

}  // namespace tw::cudasim
