// Plain loops over the definition in cpu/conv2d.h, sums in double.
#include "cpu/conv2d.h"

#include <vector>

#include "cpu/ref/activation.h"

namespace tw::cpu::ref {
namespace {

// Calls visit(input offset, weight offset) for each product that makes
// y[n, p, q, k].
template <class Visit>
void each_product(const ConvShape& d, int64_t n, int64_t p, int64_t q,
                  int64_t k, Visit visit) {
  const int64_t group = k / d.group_k();
  for (int64_t r = 0; r < d.r; r++) {
    const int64_t ih = p * d.stride_h - d.pad_top + r * d.dilation_h;
    if (ih < 0 || ih >= d.h) continue;
    for (int64_t s = 0; s < d.s; s++) {
      const int64_t iw = q * d.stride_w - d.pad_left + s * d.dilation_w;
      if (iw < 0 || iw >= d.w) continue;
      for (int64_t c = 0; c < d.group_c(); c++)
        visit(((n * d.h + ih) * d.w + iw) * d.c + group * d.group_c() + c,
              ((r * d.s + s) * d.group_c() + c) * d.k + k);
    }
  }
}

// Calls visit(n, p, q, k, output offset) for each output.
template <class Visit>
void each_output(const ConvShape& d, Visit visit) {
  int64_t offset = 0;
  for (int64_t n = 0; n < d.n; n++)
    for (int64_t p = 0; p < d.p; p++)
      for (int64_t q = 0; q < d.q; q++)
        for (int64_t k = 0; k < d.k; k++) visit(n, p, q, k, offset++);
}

void round_to(const std::vector<double>& sums, float* out) {
  for (size_t i = 0; i < sums.size(); i++) out[i] = static_cast<float>(sums[i]);
}

}  // namespace

void conv2d(const ConvForward& f) {
  each_output(f.shape,
              [&](int64_t n, int64_t p, int64_t q, int64_t k, int64_t out) {
                double sum = f.bias ? f.bias[k] : 0.0;
                each_product(f.shape, n, p, q, k, [&](int64_t x, int64_t w) {
                  sum += static_cast<double>(f.x[x]) * f.weight[w];
                });
                f.y[out] = activate(f.activation, static_cast<float>(sum));
              });
}

void conv2d_backward_input(const ConvBackwardInput& b) {
  const ConvShape& d = b.shape;
  std::vector<double> dx(static_cast<size_t>(d.n * d.h * d.w * d.c));
  each_output(d, [&](int64_t n, int64_t p, int64_t q, int64_t k, int64_t out) {
    each_product(d, n, p, q, k, [&](int64_t x, int64_t w) {
      dx[static_cast<size_t>(x)] +=
          static_cast<double>(b.dy[out]) * b.weight[w];
    });
  });
  round_to(dx, b.dx);
}

void conv2d_backward_weight(const ConvBackwardWeight& b) {
  const ConvShape& d = b.shape;
  std::vector<double> dw(static_cast<size_t>(d.r * d.s * d.group_c() * d.k));
  std::vector<double> dbias(static_cast<size_t>(d.k));
  each_output(d, [&](int64_t n, int64_t p, int64_t q, int64_t k, int64_t out) {
    dbias[static_cast<size_t>(k)] += b.dy[out];
    each_product(d, n, p, q, k, [&](int64_t x, int64_t w) {
      dw[static_cast<size_t>(w)] += static_cast<double>(b.dy[out]) * b.x[x];
    });
  });
  round_to(dw, b.dweight);
  round_to(dbias, b.dbias);
}

}  // namespace tw::cpu::ref
