// 3 x 3 convolutions of stride 1 by Winograd's minimal filtering, fused: a
// block of tiles is transformed, multiplied and transformed back while it is in
// the caches. conv2d_winograd_kernels.h has the mathematics.
#pragma once

#include <cstdint>

#include "cpu/algorithm.h"
#include "cpu/conv2d.h"
#include "cpu/conv2d_cost.h"
#include "cpu/conv2d_winograd_kernels.h"
#include "cpu/microkernel.h"

namespace tw::cpu {

void run_winograd(const ConvForward& problem, const MicroKernels& mk,
                  const WinogradKernels& wk);
void run_winograd(const ConvBackwardInput& problem, const MicroKernels& mk,
                  const WinogradKernels& wk);
void run_winograd(const ConvMaxPool& problem, const MicroKernels& mk,
                  const WinogradKernels& wk);
void run_winograd(const ConvBackwardWeight& problem, const MicroKernels& mk,
                  const WinogradKernels& wk);

// Null where it can be had by Winograd, else why not.
const char* refuse_winograd(const ConvForward& problem);
const char* refuse_winograd(const ConvBackwardInput& problem);
const char* refuse_winograd(const ConvMaxPool& problem);
const char* refuse_winograd(const ConvBackwardWeight& problem);

// Null where this way costs least.
const char* winograd_slower(const ConvForward& problem, ConvWay way, int lanes);
const char* winograd_slower(const ConvBackwardInput& problem, ConvWay way,
                            int lanes);
const char* winograd_slower(const ConvMaxPool& problem, ConvWay way, int lanes);
const char* winograd_slower(const ConvBackwardWeight& problem, ConvWay way,
                            int lanes);

// A row of a driver's list.
template <class Problem, ConvWay way, const MicroKernels& mk,
          const WinogradKernels& wk>
constexpr Algorithm<Problem> winograd(const char* name, Isa isa) {
  return {name, isa, refuse_winograd,
          [](const Problem& problem) { run_winograd(problem, mk, wk); },
          [](const Problem& problem) {
            return winograd_slower(problem, way, mk.lanes);
          }};
}

}  // namespace tw::cpu
