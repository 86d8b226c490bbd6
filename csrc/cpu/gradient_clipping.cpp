// One region over all arrays for the norm, a second one where they are changed;
// see parameter_chunks.h for the cut. Chunks leave sums, which are added in
// their order: the bits do not depend on the number of threads.
#include "cpu/gradient_clipping.h"

#include <cmath>

#include "common/integers.h"
#include "cpu/algorithm.h"
#include "cpu/allocator.h"
#include "cpu/gradient_clipping_kernels.h"
#include "cpu/parameter_chunks.h"

namespace tw::cpu {
namespace {

template <const ClippingKernels& kernels>
double norm_of(const std::vector<GradientTensor>& tensors) {
  if (tensors.empty()) return 0;
  const int64_t total = tensors.back().offset + tensors.back().size;
  const int64_t chunks = ceil_div(total, kParameterChunk);
  // Doubles, in a scratch of floats.
  const Scratch memory(static_cast<size_t>(2 * chunks), 1);
  auto* sums = reinterpret_cast<double*>(memory.of(0));
  for (int64_t chunk = 0; chunk < chunks; chunk++) sums[chunk] = 0;
  over_parameter_chunks(
      tensors, 4, [&](const GradientTensor& t, int64_t begin, int64_t size) {
        // A chunk's pieces come one after the other, to one thread.
        sums[(t.offset + begin) / kParameterChunk] +=
            kernels.sum_of_squares(t.grad + begin, size);
      });
  double sum = 0;
  for (int64_t chunk = 0; chunk < chunks; chunk++) sum += sums[chunk];
  return std::sqrt(sum);
}

template <const ClippingKernels& kernels>
void run_by_norm(const ClipByNorm& p) {
  const double norm = norm_of<kernels>(p.tensors);
  if (p.norm) *p.norm = norm;
  const double factor = p.max_norm / (norm + 1e-6);
  if (!(factor < 1 && std::isfinite(norm))) return;
  over_parameter_chunks(
      p.tensors, 8, [&](const GradientTensor& t, int64_t begin, int64_t size) {
        kernels.scale(t.grad + begin, size, static_cast<float>(factor));
      });
}

template <const ClippingKernels& kernels>
void run_by_value(const ClipByValue& p) {
  over_parameter_chunks(
      p.tensors, 8, [&](const GradientTensor& t, int64_t begin, int64_t size) {
        kernels.limit(t.grad + begin, size, p.limit);
      });
}

const Algorithm<ClipByNorm> kByNorm[] = {
#if defined(__x86_64__)
    {"chunks_avx512", Isa::avx512, refuse_none,
     run_by_norm<avx512::kClippingKernels>},
    {"chunks_avx2", Isa::avx2, refuse_none,
     run_by_norm<avx2::kClippingKernels>},
#elif defined(__aarch64__)
    {"chunks_neon", Isa::neon, refuse_none,
     run_by_norm<neon::kClippingKernels>},
#endif
    {"ref", Isa::ref, refuse_none, run_by_norm<ref::kClippingKernels>},
};
const AlgorithmList kByNormList("clip_by_norm", kByNorm);

const Algorithm<ClipByValue> kByValue[] = {
#if defined(__x86_64__)
    {"chunks_avx512", Isa::avx512, refuse_none,
     run_by_value<avx512::kClippingKernels>},
    {"chunks_avx2", Isa::avx2, refuse_none,
     run_by_value<avx2::kClippingKernels>},
#elif defined(__aarch64__)
    {"chunks_neon", Isa::neon, refuse_none,
     run_by_value<neon::kClippingKernels>},
#endif
    {"ref", Isa::ref, refuse_none, run_by_value<ref::kClippingKernels>},
};
const AlgorithmList kByValueList("clip_by_value", kByValue);

}  // namespace

void clip_by_norm(const ClipByNorm& problem) { kByNormList.run(problem); }
void clip_by_value(const ClipByValue& problem) { kByValueList.run(problem); }

}  // namespace tw::cpu
