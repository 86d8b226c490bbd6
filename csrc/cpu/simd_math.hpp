// exp, log, log1p, tanh, sigmoid and gelu over simd.hpp's vectors, and the
// activations made of them. Within 2.1 ulp of the true value for every float,
// infinities, NaN, under- and overflow included; gelu within 7e-7 of it for
// x > -2, 3e-6 for x > -6, and 1e-5 in what is left of its tail.
//
// exp: Cody & Waite reduction x = n ln2 + r in two steps, a polynomial on
// |r| <= ln2 / 2, and 2^n put into the exponent. The polynomials are minimax
// fits (Lawson's iteration) of the function that each comment names.
#pragma once

#include "cpu/activation.h"
#include "cpu/simd.hpp"

namespace tw::cpu::TW_ISA {

TW_INLINE Vec abs(Vec v) {
  return from_bits(bits(v) & broadcast_int(0x7fffffff));
}
TW_INLINE Vec copysign(Vec magnitude, Vec sign) {
  const VecInt mask = broadcast_int(0x7fffffff);
  return from_bits((bits(magnitude) & mask) | (bits(sign) & ~mask));
}

// c[0] + c[1] x + ... by Horner's rule.
template <int count>
TW_INLINE Vec polynomial(Vec x, const float (&c)[count]) {
  Vec sum = broadcast(c[count - 1]);
  for (int i = count - 2; i >= 0; i--) sum = fma(sum, x, broadcast(c[i]));
  return sum;
}

// v * 2^n for |n| <= 252, in two factors so that neither over- nor underflows
// before the product does.
TW_INLINE Vec scale_by_power_of_2(Vec v, VecInt n) {
  const VecInt half = n >> 1, rest = n - half, bias = broadcast_int(127);
  return v * from_bits((half + bias) << 23) * from_bits((rest + bias) << 23);
}

TW_INLINE Vec exp(Vec x) {
  // (exp(r) - 1 - r) / r^2
  constexpr float kTaylorRest[] = {0.49999994f, 0.16666521f, 0.041668385f,
                                   0.008368743f, 0.0013814889f};
  // Beyond these the result is 0 and infinity anyway; min and max let a NaN
  // in their second operand through.
  x = max(broadcast(-104.f), min(broadcast(89.f), x));
  // Adding 1.5 * 2^23 rounds to an integer, which the low mantissa bits show.
  const Vec magic = broadcast(12582912.f);
  const Vec shifted = fma(x, broadcast(1.44269504f), magic);
  const Vec n = shifted - magic;
  Vec r = fma(n, broadcast(-0.693145752f), x);
  r = fma(n, broadcast(-1.42860677e-6f), r);
  const Vec p = fma(polynomial(r, kTaylorRest) * r, r, r) + 1.f;
  return scale_by_power_of_2(p, bits(shifted) - bits(magic));
}

// exp(x) for x <= 0 and NaN, in fewer steps: what the softmax of a row shifted
// by its maximum needs. Results that would be denormal are 0.
TW_INLINE Vec exp_nonpositive(Vec x) {
  // exp(r): 1, 1 and exp's own polynomial
  constexpr float kTaylor[] = {1.f,          1.f,          0.49999994f,
                               0.16666521f,  0.041668385f, 0.008368743f,
                               0.0013814889f};
  // Besides rounding, the 127 leaves the exponent's bias in the low bits: a
  // shift makes 2^n of them.
  const Vec magic = broadcast(12582912.f + 127.f);
  const Vec shifted = fma(x, broadcast(1.44269504f), magic);
  const Vec n = shifted - magic;
  Vec r = fma(n, broadcast(-0.693145752f), x);
  r = fma(n, broadcast(-1.42860677e-6f), r);
  const Vec y = polynomial(r, kTaylor) * from_bits(bits(shifted) << 23);
  return from_bits(bits(y) & ~(x < broadcast(-87.33654f)));
}

TW_INLINE Vec log(Vec x) {
  // (log(1 + f) - f + f^2 / 2) / f^3 for 1 + f in [sqrt(1/2), sqrt(2)]
  constexpr float kRest[] = {0.33333313f,  -0.2500001f,  0.20002119f,
                             -0.16667996f, 0.14219551f,  -0.124055915f,
                             0.11888175f,  -0.11675641f, 0.06746601f};
  const VecInt denormal = x < broadcast(1.17549435e-38f);
  const Vec normal = select(denormal, x * 8388608.f, x);
  // Subtracting sqrt(1/2)'s bits leaves the exponent of the nearest power.
  const VecInt half_root = broadcast_int(0x3f3504f3);
  VecInt exponent = (bits(normal) - half_root) >> 23;
  const Vec f = from_bits(bits(normal) - (exponent << 23)) - 1.f;
  exponent -= denormal & broadcast_int(23);
  const Vec n = __builtin_convertvector(exponent, Vec);
  const Vec f2 = f * f;
  Vec low = fma(n, broadcast(1.42860677e-6f), polynomial(f, kRest) * f2 * f);
  low = fma(f2, broadcast(-0.5f), low);
  Vec y = fma(n, broadcast(0.693145752f), f + low);
  const Vec infinity = broadcast(__builtin_inff());
  y = select(x < infinity, y, x);  // +infinity and NaN
  y = select(x == Vec{}, -infinity, y);
  return select(x < Vec{}, broadcast(__builtin_nanf("")), y);
}

// log(1 + x) for -1 <= x <= 1; NaN below.
TW_INLINE Vec log1p(Vec x) {
  // What 1 + x loses in rounding is put back, to first order. At -1 there is
  // nothing to put back, and 0 / 0 must not come of it.
  const Vec sum = 1.f + x;
  const Vec lost = (x - (sum - 1.f)) / sum;
  return log(sum) + select(sum == Vec{}, Vec{}, lost);
}

TW_INLINE Vec sigmoid(Vec x) { return 1.f / (1.f + exp(-x)); }

TW_INLINE Vec tanh(Vec x) {
  // (tanh(x) / x - 1) / x^2 as a polynomial of x^2, for |x| < 0.625: the
  // quotient of exponentials below loses digits there.
  constexpr float kNearZero[] = {-0.3333328f, 0.13331442f, -0.05373971f,
                                 0.020639079f, -0.0057049785f};
  const Vec size = abs(x), x2 = x * x;
  const Vec near = fma(polynomial(x2, kNearZero) * x2, x, x);
  const Vec far = 1.f - 2.f / (exp(size + size) + 1.f);
  return copysign(select(size < broadcast(0.625f), near, far), x);
}

// exp(-x^2 / 2), and what the normal distribution has beyond |x|: the same
// times a polynomial of u = 1 / (1 + 0.36 t), t = |x| / sqrt(2), as in
// Abramowitz & Stegun, "Handbook of Mathematical Functions", 7.1.26. Both are 0
// where |x| is beyond 12.9, about 1e-37.
struct NormalTail {
  Vec gaussian, tail;
};
TW_INLINE NormalTail normal_tail(Vec x) {
  // exp(t^2) * erfc(t) / 2; digits that t^2 has lost are not fitted
  constexpr float kScaled[] = {8.194102e-05f, 0.099898934f, 0.11545264f,
                               0.031510446f,  0.25398403f,  -0.21828544f,
                               0.30416158f,   -0.08680418f};
  // 2^r for |r| <= 1 / 2
  constexpr float kPower[] = {1.0000001f,  0.69314694f,  0.2402212f,
                              0.05550713f, 0.009675546f, 0.0013276484f};
  const Vec u = 1.f / fma(abs(x), broadcast(0.25455844f), broadcast(1.f));
  const Vec exponent = x * x * -0.72134752f;
  // As in exp: the low bits of `shifted` are the nearest integer.
  const Vec magic = broadcast(12582912.f);
  const Vec shifted = exponent + magic;
  const Vec power = polynomial(exponent - (shifted - magic), kPower);
  // Times 2^n by adding to the exponents, none of which falls below the least;
  // what wraps around is NaN's, or taken out.
  typedef uint32_t Exponents __attribute__((vector_size(kLanes * 4)));
  const Exponents n = (Exponents)(bits(shifted) << 23);
  const VecInt tiny = exponent < broadcast(-120.f);
  const auto scaled = [&](Vec v) {
    return from_bits((VecInt)((Exponents)v + n) & ~tiny);
  };
  return {scaled(power), scaled(power * polynomial(u, kScaled))};
}
// max(x, 0) - |x| tail, where nothing cancels; min for infinity times 0.
TW_INLINE Vec gelu(Vec x) {
  const Vec size = min(broadcast(3.4e38f), abs(x));
  return fma(-size, normal_tail(x).tail, max(x, Vec{}));
}
TW_INLINE Vec gelu_derivative(Vec x) {
  const NormalTail n = normal_tail(x);
  const Vec cdf = select(x < Vec{}, n.tail, 1.f - n.tail);
  return fma(x, n.gaussian * 0.39894228f, cdf);
}

// The epilogue activations; leaky_relu has a slope and is none of them.
TW_INLINE Vec apply_activation(Activation kind, Vec v) {
  switch (kind) {
    case Activation::relu: return relu(v);
    case Activation::gelu: return gelu(v);
    case Activation::sigmoid: return sigmoid(v);
    case Activation::tanh: return tanh(v);
    case Activation::leaky_relu:
    case Activation::none: break;
  }
  return v;
}

// The costly activations, over what a kernel has just stored: out of line, or
// each kernel would hold a copy for each of its accumulators.
inline __attribute__((noinline)) void activate(Activation kind, float* c,
                                               int64_t width) {
  for (int64_t j = 0; j < width; j += kLanes) {
    const int64_t lanes = width - j < kLanes ? width - j : kLanes;
    store_first(c + j, apply_activation(kind, load_first(c + j, lanes)), lanes);
  }
}

}  // namespace tw::cpu::TW_ISA
