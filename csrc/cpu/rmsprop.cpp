// One region over all arrays; see parameter_chunks.h for the cut. Elements are
// independent, so the bits depend on nothing but the instruction set.
#include "cpu/rmsprop.h"

#include "cpu/algorithm.h"
#include "cpu/parameter_chunks.h"
#include "cpu/rmsprop_kernels.h"

namespace tw::cpu {
namespace {

template <const RmspropKernel& kernel>
void run(const RmspropStep& p) {
  double bytes = 20;
  if (!p.tensors.empty())
    bytes += (p.tensors[0].grad_avg ? 8 : 0) +
             (p.tensors[0].momentum_buffer ? 8 : 0);
  over_parameter_chunks(
      p.tensors, bytes,
      [&](const RmspropTensor& t, int64_t begin, int64_t size) {
        const auto part = [=](float* x) { return x ? x + begin : nullptr; };
        kernel(p.coefficients,
               {t.param + begin, t.grad + begin, t.square_avg + begin,
                part(t.grad_avg), part(t.momentum_buffer), size});
      });
}

const Algorithm<RmspropStep> kAlgorithms[] = {
#if defined(__x86_64__)
    {"chunks_avx512", Isa::avx512, refuse_none, run<avx512::kRmspropKernel>},
    {"chunks_avx2", Isa::avx2, refuse_none, run<avx2::kRmspropKernel>},
#elif defined(__aarch64__)
    {"chunks_neon", Isa::neon, refuse_none, run<neon::kRmspropKernel>},
#endif
    {"ref", Isa::ref, refuse_none, run<ref::kRmspropKernel>},
};
const AlgorithmList kList("rmsprop_step", kAlgorithms);

}  // namespace

void rmsprop_step(const RmspropStep& problem) { kList.run(problem); }

}  // namespace tw::cpu
