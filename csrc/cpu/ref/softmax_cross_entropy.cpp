// Softmax, its logarithm and the cross-entropy loss as their definitions say
// them, with sums and exponentials in double.
#include <algorithm>
#include <cmath>

#include "cpu/softmax_cross_entropy_kernels.h"

namespace tw::cpu::ref {
namespace {

struct Normalizer {
  double max, log_sum;
};

// log softmax(x)[c] = x[c] - max - log_sum.
Normalizer normalizer(const float* x, int64_t C) {
  const double max = *std::max_element(x, x + C);
  double sum = 0;
  for (int64_t c = 0; c < C; c++) sum += std::exp(x[c] - max);
  return {max, std::log(sum)};
}

void softmax(const SoftmaxRows& p) {
  for (int64_t i = 0; i < p.rows; i++) {
    const float* x = p.a + i * p.C;
    const Normalizer n = normalizer(x, p.C);
    for (int64_t c = 0; c < p.C; c++)
      p.out[i * p.C + c] =
          static_cast<float>(std::exp(x[c] - n.max - n.log_sum));
  }
}

void log_softmax(const SoftmaxRows& p) {
  for (int64_t i = 0; i < p.rows; i++) {
    const float* x = p.a + i * p.C;
    const Normalizer n = normalizer(x, p.C);
    for (int64_t c = 0; c < p.C; c++)
      p.out[i * p.C + c] = static_cast<float>(x[c] - n.max - n.log_sum);
  }
}

void softmax_backward(const SoftmaxRows& p) {
  for (int64_t i = 0; i < p.rows; i++) {
    const float* dy = p.a + i * p.C;
    const float* y = p.saved + i * p.C;
    double dot = 0;
    for (int64_t c = 0; c < p.C; c++) dot += static_cast<double>(dy[c]) * y[c];
    for (int64_t c = 0; c < p.C; c++)
      p.out[i * p.C + c] = static_cast<float>(y[c] * (dy[c] - dot));
  }
}

void log_softmax_backward(const SoftmaxRows& p) {
  for (int64_t i = 0; i < p.rows; i++) {
    const float* dy = p.a + i * p.C;
    const float* y = p.saved + i * p.C;
    double sum = 0;
    for (int64_t c = 0; c < p.C; c++) sum += dy[c];
    for (int64_t c = 0; c < p.C; c++)
      p.out[i * p.C + c] =
          static_cast<float>(dy[c] - std::exp(static_cast<double>(y[c])) * sum);
  }
}

void cross_entropy_row(const CrossEntropyRows& p, int64_t i) {
  const float* x = p.logits + i * p.C;
  const int64_t t = p.labels[i];
  const auto weight = [&](int64_t c) {
    return p.class_weight ? static_cast<double>(p.class_weight[c]) : 1.0;
  };
  const Normalizer n = normalizer(x, p.C);
  const auto log_p = [&](int64_t c) { return x[c] - n.max - n.log_sum; };

  const double target = p.target_share * weight(t);
  double loss = -target * log_p(t);
  double share = target;  // of p in the gradient
  if (p.smoothing > 0) {
    for (int64_t c = 0; c < p.C; c++)
      loss -= p.smoothing * weight(c) * log_p(c);
    share += static_cast<double>(p.smoothing) * p.weight_sum;
  }
  p.losses[i] = static_cast<float>(loss);
  for (int64_t c = 0; c < p.C; c++) {
    double gradient = share * std::exp(log_p(c)) - p.smoothing * weight(c);
    if (c == t) gradient -= target;
    p.dlogits[i * p.C + c] = static_cast<float>(gradient * p.scale);
  }
}

void cross_entropy(const CrossEntropyRows& p) {
  for (int64_t i = 0; i < p.rows; i++) {
    if (!p.ignored(i)) {
      cross_entropy_row(p, i);
      continue;
    }
    p.losses[i] = 0;
    std::fill_n(p.dlogits + i * p.C, p.C, 0.f);
  }
}

}  // namespace

const SoftmaxKernels kSoftmaxKernels = {softmax, log_softmax, softmax_backward,
                                        log_softmax_backward, cross_entropy};

}  // namespace tw::cpu::ref
