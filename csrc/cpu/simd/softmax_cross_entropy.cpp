// Two ways, by the length of a row.
//
// Wide rows: one row at a time in chunks that stay in L1. A chunk's maximum is
// found, then its exponentials are taken relative to the greatest value so far
// and stored; a last pass multiplies each chunk by what it lacks (the online
// normalizer of Milakov & Gimelshein, arXiv:1805.02867, a chunk at a time). So
// logits come from memory once, the next ones while exponentials are computed,
// and each element costs one exponential.
//
// Narrow rows: a vector would be mostly empty and reductions across its lanes
// the better part of the work, so kLanes rows are transposed, a row a lane.
#include "cpu/simd.hpp"
#include "cpu/simd_math.hpp"
#include "cpu/softmax_cross_entropy_kernels.h"

namespace tw::cpu::TW_ISA {
namespace {

constexpr int64_t kNarrow = 64;

TW_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
TW_INLINE Vec minus_infinity() { return broadcast(-__builtin_inff()); }

// A vector's first lanes, the others filled: of neutral value in reductions.
TW_INLINE Vec load_filled(const float* p, int64_t lanes, Vec fill) {
  int32_t index[kLanes];
  for (int i = 0; i < kLanes; i++) index[i] = i;
  const VecInt there = load_int(index) < broadcast_int((int32_t)lanes);
  return select(there, load_first(p, lanes), fill);
}

TW_INLINE float exp_of(float x) { return exp_nonpositive(broadcast(x))[0]; }
TW_INLINE float log_of(float x) { return log(broadcast(x))[0]; }

// ---- Wide rows ----

float greatest(const float* x, int64_t count) {
  Vec most[4];
  for (Vec& v : most) v = minus_infinity();
  int64_t i = 0;
  // max(new, old) keeps the old where the new is NaN: the NaN will come back
  // as an exponential.
  for (; i + 4 * kLanes <= count; i += 4 * kLanes)
    for (int j = 0; j < 4; j++)
      most[j] = max(load(x + i + j * kLanes), most[j]);
  for (; i + kLanes <= count; i += kLanes) most[0] = max(load(x + i), most[0]);
  if (i < count)
    most[1] = max(load_filled(x + i, count - i, minus_infinity()), most[1]);
  return reduce_max(max(max(most[0], most[1]), max(most[2], most[3])));
}

// What a row's loss needs of sum w[c] * (x[c] - max).
struct WeightedSum {
  double sum = 0, weight = 0;
};

// The exponentials of one chunk relative to `reference`, stored where `e` is
// not null; their sum is returned. Prefetches the chunk behind it.
template <bool store_them>
float chunk_exponentials(const float* x, int64_t count, float reference,
                         float* e) {
  const Vec shift = broadcast(reference);
  Vec sum[2] = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    __builtin_prefetch(x + i + kSoftmaxChunk);
    if (kLanes == 16) __builtin_prefetch(x + i + kLanes + kSoftmaxChunk);
    const Vec a = exp_nonpositive(load(x + i) - shift);
    const Vec b = exp_nonpositive(load(x + i + kLanes) - shift);
    if (store_them) {
      store(e + i, a);
      store(e + i + kLanes, b);
    }
    sum[0] += a;
    sum[1] += b;
  }
  for (int j = 0; i < count; i += kLanes, j = 1) {
    const int64_t lanes = smaller(kLanes, count - i);
    const Vec v =
        exp_nonpositive(load_filled(x + i, lanes, minus_infinity()) - shift);
    if (store_them) store_first(e + i, v, lanes);
    sum[j] += v;
  }
  return reduce_add(sum[0] + sum[1]);
}

// sum of w[c] * (x[c] - reference), and of w[c]; w null: all 1.
WeightedSum chunk_weighted(const float* x, const float* w, int64_t count,
                           float reference) {
  Vec sum = {}, weight = {};
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t lanes = smaller(kLanes, count - i);
    const Vec z = load_filled(x + i, lanes, broadcast(reference)) - reference;
    if (!w) {
      sum += z;
      continue;
    }
    const Vec share = load_first(w + i, lanes);
    sum = fma(share, z, sum);
    weight += share;
  }
  return {reduce_add(sum), w ? (double)reduce_add(weight) : (double)count};
}

// Exponentials of chunk k are relative to references[k], the sum of all to
// max.
struct RowSum {
  // What the exponentials of a chunk lack; most rows are one chunk.
  TW_INLINE float factor(float reference) const {
    return reference == max ? 1 : exp_of(reference - max);
  }
  float max;
  float sum;
  float weighted;  // sum of w[c] * (x[c] - max), where asked for
};

template <bool store_them>
RowSum row_exponentials(const float* x, int64_t C, float* e, float* references,
                        const float* weights, bool smooth) {
  float most = -__builtin_inff();
  double sum = 0;
  WeightedSum weighted;
  for (int64_t c = 0; c < C; c += kSoftmaxChunk) {
    const int64_t count = smaller(kSoftmaxChunk, C - c);
    const float chunk_most = greatest(x + c, count);
    if (chunk_most > most) {
      // Of nothing seen yet, or -infinity alone, there is nothing to rescale.
      if (most > -__builtin_inff()) {
        sum *= exp_of(most - chunk_most);
        weighted.sum -= weighted.weight * ((double)chunk_most - most);
      }
      most = chunk_most;
    }
    const float reference = most > -__builtin_inff() ? most : 0.f;
    references[c / kSoftmaxChunk] = reference;
    sum += chunk_exponentials<store_them>(x + c, count, reference,
                                          store_them ? e + c : nullptr);
    if (smooth) {
      const WeightedSum more = chunk_weighted(
          x + c, weights ? weights + c : nullptr, count, reference);
      weighted.sum += more.sum;
      weighted.weight += more.weight;
    }
  }
  // A row of -infinity alone has no softmax: 0 / 0.
  return {most, (float)sum, (float)weighted.sum};
}

// out = function(loader) over a range: the loader gives the vector at the same
// position of any array.
template <class Function>
TW_INLINE void fill(float* out, int64_t count, Function function) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    store(out + i, function([&](const float* p) { return load(p + i); }));
  const int64_t rest = count - i;
  if (rest > 0)
    store_first(out + i, function([&](const float* p) {
                  return load_first(p + i, rest);
                }),
                rest);
}

// out = e * factor - smoothing * w.
void scaled(const float* e, const float* w, float factor, float smoothing,
            int64_t count, float* out) {
  if (smoothing == 0)
    return fill(out, count, [&](auto get) { return get(e) * factor; });
  if (!w)
    return fill(out, count, [&](auto get) {
      return fma(get(e), broadcast(factor), broadcast(-smoothing));
    });
  fill(out, count, [&](auto get) {
    return fma(get(e), broadcast(factor), get(w) * -smoothing);
  });
}

void wide_softmax(const SoftmaxRows& p) {
  for (int64_t row = 0; row < p.rows; row++) {
    float* out = p.out + row * p.C;
    const RowSum s = row_exponentials<true>(p.a + row * p.C, p.C, out,
                                            p.references, nullptr, false);
    for (int64_t c = 0; c < p.C; c += kSoftmaxChunk) {
      const float factor = s.factor(p.references[c / kSoftmaxChunk]);
      scaled(out + c, nullptr, factor / s.sum, 0,
             smaller(kSoftmaxChunk, p.C - c), out + c);
    }
  }
}

void wide_log_softmax(const SoftmaxRows& p) {
  for (int64_t row = 0; row < p.rows; row++) {
    const float* x = p.a + row * p.C;
    const RowSum s =
        row_exponentials<false>(x, p.C, nullptr, p.references, nullptr, false);
    const float log_sum = log_of(s.sum);
    fill(p.out + row * p.C, p.C,
         [&](auto get) { return get(x) - s.max - log_sum; });
  }
}

// Sum over a row of function(lane loader), in two accumulators.
template <class Function>
TW_INLINE float row_sum(int64_t count, Function function) {
  Vec sum[2] = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    sum[0] += function([&](const float* p) { return load(p + i); });
    sum[1] += function([&](const float* p) { return load(p + i + kLanes); });
  }
  for (int j = 0; i < count; i += kLanes, j = 1) {
    const int64_t lanes = smaller(kLanes, count - i);
    sum[j] +=
        function([&](const float* p) { return load_first(p + i, lanes); });
  }
  return reduce_add(sum[0] + sum[1]);
}

// The same over chunks, which are added in double.
template <class Function>
TW_INLINE float long_row_sum(int64_t C, Function function) {
  double sum = 0;
  for (int64_t c = 0; c < C; c += kSoftmaxChunk)
    sum += row_sum(smaller(kSoftmaxChunk, C - c), [&](auto get) {
      return function([&](const float* p) { return get(p + c); });
    });
  return (float)sum;
}

void wide_softmax_backward(const SoftmaxRows& p) {
  for (int64_t row = 0; row < p.rows; row++) {
    const float* dy = p.a + row * p.C;
    const float* y = p.saved + row * p.C;
    const float dot =
        long_row_sum(p.C, [&](auto get) { return get(dy) * get(y); });
    fill(p.out + row * p.C, p.C,
         [&](auto get) { return get(y) * (get(dy) - dot); });
  }
}

void wide_log_softmax_backward(const SoftmaxRows& p) {
  for (int64_t row = 0; row < p.rows; row++) {
    const float* dy = p.a + row * p.C;
    const float* y = p.saved + row * p.C;
    const float sum = long_row_sum(p.C, [&](auto get) { return get(dy); });
    fill(p.out + row * p.C, p.C,
         [&](auto get) { return fma(exp(get(y)), broadcast(-sum), get(dy)); });
  }
}

// In place of the exponentials.
void wide_gradient(const CrossEntropyRows& p, const RowSum& s, int64_t label,
                   float target, float* out) {
  const float smoothing = p.smoothing * p.scale;
  const float scaled_target = target * p.scale;
  const float share = scaled_target + smoothing * p.weight_sum;
  for (int64_t c = 0; c < p.C; c += kSoftmaxChunk) {
    const int64_t end = smaller(p.C, c + kSoftmaxChunk);
    const float factor =
        s.factor(p.references[c / kSoftmaxChunk]) / s.sum * share;
    scaled(out + c, p.class_weight ? p.class_weight + c : nullptr, factor,
           smoothing, end - c, out + c);
  }
  out[label] -= scaled_target;
}

void wide_cross_entropy(const CrossEntropyRows& p) {
  for (int64_t row = 0; row < p.rows; row++) {
    const float* x = p.logits + row * p.C;
    float* out = p.dlogits + row * p.C;
    if (p.ignored(row)) {
      p.losses[row] = 0;
      fill(out, p.C, [](auto) { return Vec{}; });
      continue;
    }
    const bool smooth = p.smoothing > 0;
    const RowSum s = row_exponentials<true>(x, p.C, out, p.references,
                                            p.class_weight, smooth);
    const int64_t label = p.labels[row];
    const float target =
        p.target_share * (p.class_weight ? p.class_weight[label] : 1);
    const float log_sum = log_of(s.sum);
    float loss = target * (log_sum - (x[label] - s.max));
    if (smooth) loss += p.smoothing * (p.weight_sum * log_sum - s.weighted);
    p.losses[row] = loss;
    wide_gradient(p, s, label, target, out);
  }
}

// ---- Narrow rows ----

// Up to kLanes rows of C <= kNarrow numbers, a row a lane; Vec c holds class c.
struct Columns {
  alignas(64) float at[kNarrow * kLanes];

  TW_INLINE Vec get(int64_t c) const { return load(at + c * kLanes); }
  TW_INLINE void set(int64_t c, Vec v) { store(at + c * kLanes, v); }
};

TW_INLINE void load_row(Columns& t, int64_t lane, const float* src, int64_t C) {
  for (int64_t c = 0; c < C; c++) t.at[c * kLanes + lane] = src[c];
}
TW_INLINE void clear_row(Columns& t, int64_t lane, int64_t C) {
  for (int64_t c = 0; c < C; c++) t.at[c * kLanes + lane] = 0;
}
TW_INLINE void load_rows(Columns& t, const float* src, int64_t rows,
                         int64_t C) {
  for (int64_t lane = 0; lane < rows; lane++)
    load_row(t, lane, src + lane * C, C);
  for (int64_t lane = rows; lane < kLanes; lane++) clear_row(t, lane, C);
}
TW_INLINE void store_rows(const Columns& t, float* dst, int64_t rows,
                          int64_t C) {
  for (int64_t lane = 0; lane < rows; lane++)
    for (int64_t c = 0; c < C; c++) dst[lane * C + c] = t.at[c * kLanes + lane];
}

TW_INLINE Vec columns_max(const Columns& t, int64_t C) {
  Vec most = t.get(0);
  for (int64_t c = 1; c < C; c++) most = max(t.get(c), most);
  return most;
}
// Replaces x by exp(x - most) and returns the sum.
TW_INLINE Vec columns_exp(Columns& t, int64_t C, Vec most) {
  Vec sum = {};
  for (int64_t c = 0; c < C; c++) {
    const Vec e = exp_nonpositive(t.get(c) - most);
    t.set(c, e);
    sum += e;
  }
  return sum;
}

// body(columns of a, of saved, result) for each group of kLanes rows.
template <class Body>
TW_INLINE void over_narrow_rows(const SoftmaxRows& p, Body body) {
  Columns a, saved;
  for (int64_t row = 0; row < p.rows; row += kLanes) {
    const int64_t rows = smaller(kLanes, p.rows - row);
    load_rows(a, p.a + row * p.C, rows, p.C);
    if (p.saved) load_rows(saved, p.saved + row * p.C, rows, p.C);
    body(a, saved);
    store_rows(a, p.out + row * p.C, rows, p.C);
  }
}

void narrow_softmax(const SoftmaxRows& p) {
  over_narrow_rows(p, [&](Columns& x, const Columns&) {
    const Vec inverse = 1.f / columns_exp(x, p.C, columns_max(x, p.C));
    for (int64_t c = 0; c < p.C; c++) x.set(c, x.get(c) * inverse);
  });
}

void narrow_log_softmax(const SoftmaxRows& p) {
  over_narrow_rows(p, [&](Columns& x, const Columns&) {
    const Vec most = columns_max(x, p.C);
    Vec sum = {};
    for (int64_t c = 0; c < p.C; c++) sum += exp_nonpositive(x.get(c) - most);
    const Vec log_sum = log(sum);
    for (int64_t c = 0; c < p.C; c++) x.set(c, x.get(c) - most - log_sum);
  });
}

void narrow_softmax_backward(const SoftmaxRows& p) {
  over_narrow_rows(p, [&](Columns& dy, const Columns& y) {
    Vec dot = {};
    for (int64_t c = 0; c < p.C; c++) dot = fma(dy.get(c), y.get(c), dot);
    for (int64_t c = 0; c < p.C; c++) dy.set(c, y.get(c) * (dy.get(c) - dot));
  });
}

void narrow_log_softmax_backward(const SoftmaxRows& p) {
  over_narrow_rows(p, [&](Columns& dy, const Columns& y) {
    Vec sum = {};
    for (int64_t c = 0; c < p.C; c++) sum += dy.get(c);
    for (int64_t c = 0; c < p.C; c++)
      dy.set(c, fma(exp(y.get(c)), -sum, dy.get(c)));
  });
}

// What differs from row to row, a row a lane.
struct RowTerms {
  float target_logit[kLanes];
  float target[kLanes];     // (1 - s) * w[t]; 0 where the row is ignored
  float smoothing[kLanes];  // s / C; 0 where the row is ignored
};

TW_INLINE void subtract_targets(const CrossEntropyRows& p, int64_t row,
                                int64_t rows, Vec target, float* out) {
  float lane[kLanes];
  store(lane, target);
  for (int64_t i = 0; i < rows; i++)
    if (!p.ignored(row + i)) out[i * p.C + p.labels[row + i]] -= lane[i];
}

// A row that is ignored counts as zeros, whatever it holds.
void load_terms(const CrossEntropyRows& p, int64_t row, int64_t rows,
                Columns& x, RowTerms& terms) {
  for (int64_t lane = 0; lane < kLanes; lane++) {
    terms.target_logit[lane] = 0;
    terms.target[lane] = terms.smoothing[lane] = 0;
    if (lane >= rows || p.ignored(row + lane)) {
      clear_row(x, lane, p.C);
      continue;
    }
    const float* src = p.logits + (row + lane) * p.C;
    const int64_t label = p.labels[row + lane];
    load_row(x, lane, src, p.C);
    terms.target_logit[lane] = src[label];
    terms.target[lane] =
        p.target_share * (p.class_weight ? p.class_weight[label] : 1);
    terms.smoothing[lane] = p.smoothing;
  }
}

template <bool smooth>
void narrow_cross_entropy(const CrossEntropyRows& p) {
  Columns x;
  RowTerms terms;
  const auto weight = [&](int64_t c) {
    return p.class_weight ? p.class_weight[c] : 1.f;
  };
  for (int64_t row = 0; row < p.rows; row += kLanes) {
    const int64_t rows = smaller(kLanes, p.rows - row);
    load_terms(p, row, rows, x, terms);
    const Vec most = columns_max(x, p.C);
    Vec weighted = {};
    if (smooth)
      for (int64_t c = 0; c < p.C; c++)
        weighted += (x.get(c) - most) * weight(c);
    const Vec sum = columns_exp(x, p.C, most);
    const Vec log_sum = log(sum), target = load(terms.target);
    const Vec smoothing = load(terms.smoothing) * p.scale;
    Vec loss = target * (log_sum - (load(terms.target_logit) - most));
    const Vec scaled_target = target * p.scale;
    Vec share = scaled_target;
    if (smooth) {
      loss += load(terms.smoothing) * (p.weight_sum * log_sum - weighted);
      share += smoothing * p.weight_sum;
    }
    store_first(p.losses + row, loss, rows);
    const Vec factor = share / sum;
    for (int64_t c = 0; c < p.C; c++) {
      Vec gradient = x.get(c) * factor;
      if (smooth) gradient -= smoothing * weight(c);
      x.set(c, gradient);
    }
    float* out = p.dlogits + row * p.C;
    store_rows(x, out, rows, p.C);
    subtract_targets(p, row, rows, scaled_target, out);
  }
}

// ---- The choice ----

using RowsKernel = void (*)(const SoftmaxRows&);

template <RowsKernel narrow, RowsKernel wide>
void choose(const SoftmaxRows& p) {
  if (p.C <= kNarrow)
    narrow(p);
  else
    wide(p);
}

void cross_entropy(const CrossEntropyRows& p) {
  if (p.C > kNarrow)
    wide_cross_entropy(p);
  else if (p.smoothing > 0)
    narrow_cross_entropy<true>(p);
  else
    narrow_cross_entropy<false>(p);
}

}  // namespace

const SoftmaxKernels kSoftmaxKernels = {
    choose<narrow_softmax, wide_softmax>,
    choose<narrow_log_softmax, wide_log_softmax>,
    choose<narrow_softmax_backward, wide_softmax_backward>,
    choose<narrow_log_softmax_backward, wide_log_softmax_backward>,
    cross_entropy};

}  // namespace tw::cpu::TW_ISA
