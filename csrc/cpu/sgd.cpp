// One region over all arrays; see parameter_chunks.h for the cut.
#include "cpu/sgd.h"

#include "cpu/algorithm.h"
#include "cpu/parameter_chunks.h"
#include "cpu/sgd_kernels.h"

namespace tw::cpu {
namespace {

template <const SgdKernel& kernel>
void run(const SgdStep& p) {
  const SgdCoefficients c = {static_cast<float>(p.lr),
                             static_cast<float>(p.momentum),
                             static_cast<float>(p.weight_decay), p.nesterov};
  const bool buffers = !p.tensors.empty() && p.tensors[0].momentum_buffer;
  over_parameter_chunks(p.tensors, buffers ? 20 : 12,
                        [&](const SgdTensor& t, int64_t begin, int64_t size) {
                          kernel(c, size, t.param + begin, t.grad + begin,
                                 buffers ? t.momentum_buffer + begin : nullptr);
                        });
}

const Algorithm<SgdStep> kAlgorithms[] = {
#if defined(__x86_64__)
    {"chunks_avx512", Isa::avx512, refuse_none, run<avx512::kSgdKernel>},
    {"chunks_avx2", Isa::avx2, refuse_none, run<avx2::kSgdKernel>},
#elif defined(__aarch64__)
    {"chunks_neon", Isa::neon, refuse_none, run<neon::kSgdKernel>},
#endif
    {"ref", Isa::ref, refuse_none, run<ref::kSgdKernel>},
};
const AlgorithmList kList("sgd_step", kAlgorithms);

}  // namespace

void sgd_step(const SgdStep& problem) { kList.run(problem); }

}  // namespace tw::cpu
