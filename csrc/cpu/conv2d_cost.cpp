#include "cpu/conv2d_cost.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "cpu/streaming.h"

namespace tw::cpu {
namespace {

constexpr double kFmasPerCycle = 2;
constexpr double kBytesPerCycle = 8;  // from memory, for one core

// What one transform of a vector of channels costs, in cycles: as many as the
// lines of L2 that it touches.
struct Transforms {
  double input, output, weight;
};
constexpr Transforms kTransforms2 = {80, 50, 70};
constexpr Transforms kTransforms4 = {185, 115, 150};
// A product of few rows or little depth keeps the FMA units less busy.
constexpr double kDirectLoss = 1.12;
// A run of dW's products is a row of dy: short rows hardly fill the pipeline.
constexpr double kShortRowLoss = 3.5;
constexpr double kWinogradLoss = 1.15;
// All that dW transforms passes through the L3.
constexpr double kWeightPassLoss = 1.35;

// A way that rounds more has to save a fifth, and what it takes to pack.
constexpr double kWorthIt = 0.8;
constexpr double kExtraRegion = 40000;

double ceil_div(int64_t a, int64_t b) {
  return static_cast<double>((a + b - 1) / b);
}

double direct_cycles(const ConvShape& d, ConvPass pass, int lanes) {
  const int64_t columns = pass == ConvPass::backward_input ? d.c : d.k;
  const double short_rows = pass == ConvPass::backward_weight
                                ? kShortRowLoss / static_cast<double>(d.q)
                                : 0;
  return d.flops() / 2 / static_cast<double>(columns) *
         ceil_div(columns, lanes) / kFmasPerCycle * (kDirectLoss + short_rows);
}

double winograd_cycles(const ConvShape& d, ConvPass pass, int lanes, int m) {
  const Transforms& transforms = m == 2 ? kTransforms2 : kTransforms4;
  const bool to_input = pass == ConvPass::backward_input;
  const int64_t depth = to_input ? d.k : d.c;
  const double from = ceil_div(depth, lanes);  // vectors of channels
  const double to = ceil_div(to_input ? d.c : d.k, lanes);
  const double tiles = static_cast<double>(d.n) *
                       ceil_div(to_input ? d.h : d.p, m) *
                       ceil_div(to_input ? d.w : d.q, m);
  const double positions = (m + 2) * (m + 2);
  const double filters = static_cast<double>(depth) * to;  // vectors of them
  const double products = tiles * positions * filters / kFmasPerCycle;
  const double u_bytes = positions * 4 * filters * lanes;
  const double u_cycles =
      transforms.weight * filters +
      (u_bytes > kHalfCacheBytes ? 4 * u_bytes / kBytesPerCycle : 0);
  if (pass == ConvPass::backward_weight)
    return products * kWinogradLoss +
           tiles * (from + to) * transforms.input * kWeightPassLoss +
           2 * u_cycles;
  return products * kWinogradLoss + tiles * from * transforms.input +
         tiles * to * transforms.output + u_cycles;
}

std::atomic<ConvWay>& most_allowed() {
  static std::atomic<ConvWay> way{ConvWay::winograd4};
  return way;
}

struct Name {
  const char* name;
  ConvWay most;
};
constexpr Name kNames[] = {{"auto", ConvWay::winograd4},
                           {"winograd2", ConvWay::winograd2},
                           {"direct", ConvWay::direct}};

}  // namespace

ConvWay cheapest_way(const ConvShape& d, ConvPass pass, int lanes) {
  const ConvWay most = most_allowed().load(std::memory_order_relaxed);
  ConvWay best = ConvWay::direct;
  double least = direct_cycles(d, pass, lanes) * kWorthIt;
  const bool small =
      most == ConvWay::winograd2 || pass == ConvPass::pooled_forward;
  const int largest = most == ConvWay::direct ? 0 : small ? 2 : 4;
  for (int m = 2; m <= largest; m += 2) {
    const double cycles = winograd_cycles(d, pass, lanes, m) + kExtraRegion;
    if (cycles >= least) continue;
    least = cycles;
    best = m == 2 ? ConvWay::winograd2 : ConvWay::winograd4;
  }
  return best;
}

void set_conv_algorithm(const std::string& name) {
  for (const Name& entry : kNames)
    if (name == entry.name) {
      most_allowed().store(entry.most);
      return;
    }
  throw std::invalid_argument(
      "conv_algorithm: name must be 'auto', 'winograd2' or 'direct', got '" +
      name + "'");
}

std::string conv_algorithm() {
  for (const Name& entry : kNames)
    if (entry.most == most_allowed().load()) return entry.name;
  return "auto";
}

}  // namespace tw::cpu
