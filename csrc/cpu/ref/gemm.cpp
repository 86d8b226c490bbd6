// Plain loops: the readable truth that the fast kernels are held to. Sums are
// in double, so that it is also the more exact one.
#include "cpu/gemm.h"

#include "cpu/ref/activation.h"

namespace tw::cpu::ref {

void gemm(const GemmProblem& p) {
  for (int64_t i = 0; i < p.m; i++) {
    for (int64_t j = 0; j < p.n; j++) {
      double sum = p.bias ? p.bias[j] : 0.0;
      if (p.accumulate) sum += p.c[i * p.n + j];
      for (int64_t k = 0; k < p.k; k++) {
        const float a = p.transpose_a ? p.a[k * p.m + i] : p.a[i * p.k + k];
        const float b = p.transpose_b ? p.b[j * p.k + k] : p.b[k * p.n + j];
        sum += static_cast<double>(a) * b;
      }
      p.c[i * p.n + j] = activate(p.activation, static_cast<float>(sum));
    }
  }
}

}  // namespace tw::cpu::ref
