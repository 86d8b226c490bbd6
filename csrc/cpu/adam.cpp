// One region over all arrays; see parameter_chunks.h for the cut. Elements are
// independent, so the bits depend on nothing but the instruction set.
#include "cpu/adam.h"

#include <cmath>

#include "cpu/adam_kernels.h"
#include "cpu/algorithm.h"
#include "cpu/parameter_chunks.h"

namespace tw::cpu {
namespace {

AdamCoefficients coefficients(const AdamStep& p) {
  const auto t = static_cast<double>(p.step);
  const double correction1 = p.bias_correction ? 1 - std::pow(p.beta1, t) : 1;
  const double correction2 = p.bias_correction ? 1 - std::pow(p.beta2, t) : 1;
  AdamCoefficients c;
  c.beta1 = static_cast<float>(p.beta1);
  c.one_minus_beta1 = static_cast<float>(1 - p.beta1);
  c.beta2 = static_cast<float>(p.beta2);
  c.one_minus_beta2 = static_cast<float>(1 - p.beta2);
  c.step_size = static_cast<float>(p.lr / correction1);
  c.root_scale = static_cast<float>(1 / std::sqrt(correction2));
  c.eps = static_cast<float>(p.eps);
  c.decay = p.decoupled ? 0 : static_cast<float>(p.weight_decay);
  c.shrink = p.decoupled ? static_cast<float>(1 - p.lr * p.weight_decay) : 1;
  return c;
}

template <const AdamKernel& kernel>
void run(const AdamStep& p) {
  const AdamCoefficients c = coefficients(p);
  over_parameter_chunks(p.tensors, 28,
                        [&](const AdamTensor& t, int64_t begin, int64_t size) {
                          kernel(c, size, t.param + begin, t.grad + begin,
                                 t.exp_avg + begin, t.exp_avg_sq + begin);
                        });
}

const Algorithm<AdamStep> kAlgorithms[] = {
#if defined(__x86_64__)
    {"chunks_avx512", Isa::avx512, refuse_none, run<avx512::kAdamKernel>},
    {"chunks_avx2", Isa::avx2, refuse_none, run<avx2::kAdamKernel>},
#elif defined(__aarch64__)
    {"chunks_neon", Isa::neon, refuse_none, run<neon::kAdamKernel>},
#endif
    {"ref", Isa::ref, refuse_none, run<ref::kAdamKernel>},
};
const AlgorithmList kList("adam_step", kAlgorithms);

}  // namespace

void adam_step(const AdamStep& problem) { kList.run(problem); }

}  // namespace tw::cpu
