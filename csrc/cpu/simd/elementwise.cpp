// Elementwise kernels over vectors; the last, partial vector goes through the
// same arithmetic as the others, so that an element's bits do not depend on
// where in the array it lies.
#include "common/philox.h"
#include "cpu/elementwise_kernels.h"
#include "cpu/simd.hpp"
#include "cpu/simd_math.hpp"

namespace tw::cpu::TW_ISA {
namespace {

template <bool streaming, class Function>
TW_INLINE void map_vectors(int64_t count, float* y, Function function) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec v = function(i, kLanes);
    streaming ? stream(y + i, v) : store(y + i, v);
  }
  if (i < count) store_first(y + i, function(i, count - i), count - i);
}

// y[i] = function(x[i]); the same of two arrays. The caller fences streams.
template <class Function>
TW_INLINE void map(int64_t count, const float* x, float* y, bool streaming,
                   Function function) {
  const auto vector = [&](int64_t i, int64_t lanes) {
    return function(lanes == kLanes ? load(x + i) : load_first(x + i, lanes));
  };
  streaming ? map_vectors<true>(count, y, vector)
            : map_vectors<false>(count, y, vector);
}

template <class Function>
TW_INLINE void map2(int64_t count, const float* a, const float* b, float* y,
                    bool streaming, Function function) {
  const auto vector = [&](int64_t i, int64_t lanes) {
    return lanes == kLanes
               ? function(load(a + i), load(b + i))
               : function(load_first(a + i, lanes), load_first(b + i, lanes));
  };
  streaming ? map_vectors<true>(count, y, vector)
            : map_vectors<false>(count, y, vector);
}

void activation(const ActivationForward& p, bool streaming) {
  const Vec slope = broadcast(p.negative_slope);
  const auto with = [&](auto function) {
    map(p.count, p.x, p.y, streaming, function);
    if (streaming) stream_fence();
  };
  switch (p.kind) {
    case Activation::relu: return with([](Vec x) { return relu(x); });
    case Activation::leaky_relu:
      return with([&](Vec x) { return select(x < Vec{}, slope * x, x); });
    case Activation::gelu: return with([](Vec x) { return gelu(x); });
    case Activation::sigmoid: return with([](Vec x) { return sigmoid(x); });
    case Activation::tanh: return with([](Vec x) { return tanh(x); });
    case Activation::none: return with([](Vec x) { return x; });
  }
}

void activation_backward(const ActivationBackward& p, bool streaming) {
  const Vec slope = broadcast(p.negative_slope);
  const auto with = [&](auto function) {
    map2(p.count, p.dy, p.saved, p.dx, streaming, function);
    if (streaming) stream_fence();
  };
  switch (p.kind) {
    case Activation::relu:
      return with([](Vec dy, Vec y) { return select(y <= Vec{}, Vec{}, dy); });
    case Activation::leaky_relu:
      return with(
          [&](Vec dy, Vec y) { return select(y > Vec{}, dy, dy * slope); });
    case Activation::gelu:
      return with([](Vec dy, Vec x) { return dy * gelu_derivative(x); });
    case Activation::sigmoid:
      return with([](Vec dy, Vec y) { return dy * (y * (1.f - y)); });
    case Activation::tanh:
      // No digits are lost near 1.
      return with([](Vec dy, Vec y) { return dy * ((1.f - y) * (1.f + y)); });
    case Activation::none: return with([](Vec dy, Vec) { return dy; });
  }
}

// Philox on kLanes / 2 counters at once, a counter's word in the lower half of
// each 64-bit lane; the upper halves hold what no multiplication reads.
typedef uint64_t VecWide __attribute__((vector_size(kLanes * 4)));

#if defined(__AVX512F__)
TW_INLINE VecWide multiply_low_halves(VecWide a, VecWide b) {
  return (VecWide)_mm512_mul_epu32((__m512i)a, (__m512i)b);
}
TW_INLINE VecWide even_lanes(VecWide a, VecWide b) {
  return (VecWide)_mm512_unpacklo_epi64((__m512i)a, (__m512i)b);
}
TW_INLINE VecWide odd_lanes(VecWide a, VecWide b) {
  return (VecWide)_mm512_unpackhi_epi64((__m512i)a, (__m512i)b);
}
// Such that even_lanes and odd_lanes leave counters in ascending order.
constexpr VecWide kCounterOrder = {0, 4, 1, 5, 2, 6, 3, 7};
#elif defined(__AVX2__)
TW_INLINE VecWide multiply_low_halves(VecWide a, VecWide b) {
  return (VecWide)_mm256_mul_epu32((__m256i)a, (__m256i)b);
}
TW_INLINE VecWide even_lanes(VecWide a, VecWide b) {
  return (VecWide)_mm256_unpacklo_epi64((__m256i)a, (__m256i)b);
}
TW_INLINE VecWide odd_lanes(VecWide a, VecWide b) {
  return (VecWide)_mm256_unpackhi_epi64((__m256i)a, (__m256i)b);
}
constexpr VecWide kCounterOrder = {0, 2, 1, 3};
#else
TW_INLINE VecWide multiply_low_halves(VecWide a, VecWide b) {
  const VecWide low = VecWide{} + 0xffffffffu;
  return (a & low) * (b & low);
}
TW_INLINE VecWide even_lanes(VecWide a, VecWide b) {
  return VecWide{a[0], b[0]};
}
TW_INLINE VecWide odd_lanes(VecWide a, VecWide b) {
  return VecWide{a[1], b[1]};
}
constexpr VecWide kCounterOrder = {0, 1};
#endif

// The random words of the 2 * kLanes elements that begin at `counter`.
struct RandomWords {
  VecInt first, second;
};

TW_INLINE RandomWords random_words(uint64_t key, uint64_t counter) {
  const VecWide zero = {}, low = zero + 0xffffffffu;
  const VecWide counters = kCounterOrder + counter;
  VecWide c0 = counters, c1 = counters >> 32, c2 = zero, c3 = zero;
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < kPhiloxRounds; round++) {
    const VecWide p0 =
        multiply_low_halves(c0, zero + uint64_t{kPhiloxMultiplier0});
    const VecWide p1 =
        multiply_low_halves(c2, zero + uint64_t{kPhiloxMultiplier1});
    c0 = (p1 >> 32) ^ c1 ^ (zero + uint64_t{k0});
    c1 = p1;
    c2 = (p0 >> 32) ^ c3 ^ (zero + uint64_t{k1});
    c3 = p0;
    k0 += kPhiloxKeyStep0;
    k1 += kPhiloxKeyStep1;
  }
  const VecWide words01 = (c0 & low) | (c1 << 32);
  const VecWide words23 = (c2 & low) | (c3 << 32);
  return {(VecInt)even_lanes(words01, words23),
          (VecInt)odd_lanes(words01, words23)};
}

TW_INLINE Vec kept(const DropoutBlock& b, Vec x, VecInt word) {
  const VecInt u = (word >> 8) & broadcast_int(0xffffff);
  return from_bits(bits(x * b.scale) & (u >= broadcast_int(b.threshold)));
}

void dropout(const DropoutBlock& b) {
  uint64_t counter = b.counter;
  int64_t i = 0;
  for (; i + 2 * kLanes <= b.count; i += 2 * kLanes, counter += kLanes / 2) {
    const RandomWords random = random_words(b.key, counter);
    store(b.y + i, kept(b, load(b.x + i), random.first));
    store(b.y + i + kLanes, kept(b, load(b.x + i + kLanes), random.second));
  }
  if (i == b.count) return;
  const RandomWords random = random_words(b.key, counter);
  const int64_t rest = b.count - i;
  const int64_t first = rest < kLanes ? rest : kLanes;
  store_first(b.y + i, kept(b, load_first(b.x + i, first), random.first),
              first);
  if (rest > kLanes) {
    const int64_t second = rest - kLanes;
    store_first(b.y + i + kLanes,
                kept(b, load_first(b.x + i + kLanes, second), random.second),
                second);
  }
}

// Eight rows are added to one another, then to the sums: fewer stores, and
// fewer roundings in a row.
void add_rows(const float* src, int64_t stride, int64_t rows, int64_t columns,
              float* sums) {
  const auto over_columns = [&](auto sum_of) {
    int64_t j = 0;
    for (; j + kLanes <= columns; j += kLanes)
      store(sums + j, load(sums + j) + sum_of([&](const float* row) {
                        return load(row + j);
                      }));
    const int64_t rest = columns - j;
    if (rest > 0)
      store_first(sums + j,
                  load_first(sums + j, rest) + sum_of([&](const float* row) {
                    return load_first(row + j, rest);
                  }),
                  rest);
  };
  int64_t i = 0;
  for (; i + 8 <= rows; i += 8, src += 8 * stride)
    over_columns([&](auto row) {
      return ((row(src) + row(src + stride)) +
              (row(src + 2 * stride) + row(src + 3 * stride))) +
             ((row(src + 4 * stride) + row(src + 5 * stride)) +
              (row(src + 6 * stride) + row(src + 7 * stride)));
    });
  for (; i < rows; i++, src += stride)
    over_columns([&](auto row) { return row(src); });
}

// The same in parts of 256 rows, which are added up on their own: sums of many
// short rows would else lose digits.
void add_many_rows(const float* src, int64_t stride, int64_t rows,
                   int64_t columns, float* sums) {
  constexpr int64_t part_rows = 256, most_columns = 256;
  static_assert(kLanes * kLanes <= most_columns);
  if (rows <= part_rows || columns > most_columns)
    return add_rows(src, stride, rows, columns, sums);
  for (int64_t i = 0; i < rows; i += part_rows) {
    float part[most_columns] = {};
    const int64_t left = rows - i;
    add_rows(src + i * stride, stride, left < part_rows ? left : part_rows,
             columns, part);
    for (int64_t j = 0; j < columns; j++) sums[j] += part[j];
  }
}

// Rows shorter than a vector: kLanes of them are one long row of whole vectors,
// whose element e belongs to column e % columns.
void narrow_column_sums(const float* src, int64_t rows, int64_t columns,
                        float* sums) {
  float lanes[kLanes * kLanes] = {};
  const int64_t length = columns * kLanes, long_rows = rows / kLanes;
  add_many_rows(src, length, long_rows, length, lanes);
  const int64_t rest = rows * columns - long_rows * length;
  for (int64_t e = 0; e < rest; e++) lanes[e] += src[long_rows * length + e];
  for (int64_t j = 0; j < columns; j++) sums[j] = 0;
  for (int64_t e = 0; e < length; e += columns)
    for (int64_t j = 0; j < columns; j++) sums[j] += lanes[e + j];
}

void column_sums(const float* src, int64_t stride, int64_t rows,
                 int64_t columns, float* sums) {
  if (columns < kLanes && columns == stride)
    return narrow_column_sums(src, rows, columns, sums);
  for (int64_t j = 0; j < columns; j++) sums[j] = 0;
  add_many_rows(src, stride, rows, columns, sums);
}

// Where an operand is one number a row, it is broadcast once a row.
template <class Function>
TW_INLINE void arithmetic_rows(const ArithmeticBlock& b, Function function) {
  for (int64_t i = 0; i < b.rows; i++) {
    const float* first = b.a + i * b.a_row;
    const float* second = b.b + i * b.b_row;
    float* y = b.y + i * b.columns;
    if (b.a_column == 0) {
      const Vec value = broadcast(*first);
      map(b.columns, second, y, b.streaming,
          [&](Vec x) { return function(value, x); });
    } else if (b.b_column == 0) {
      const Vec value = broadcast(*second);
      map(b.columns, first, y, b.streaming,
          [&](Vec x) { return function(x, value); });
    } else {
      map2(b.columns, first, second, y, b.streaming, function);
    }
  }
  if (b.streaming) stream_fence();
}

void arithmetic(const ArithmeticBlock& b) {
  switch (b.operation) {
    case Operation::add:
      return arithmetic_rows(b, [](Vec x, Vec y) { return x + y; });
    case Operation::subtract:
      return arithmetic_rows(b, [](Vec x, Vec y) { return x - y; });
    case Operation::multiply:
      return arithmetic_rows(b, [](Vec x, Vec y) { return x * y; });
    case Operation::divide:
      return arithmetic_rows(b, [](Vec x, Vec y) { return x / y; });
  }
}

}  // namespace

const ElementwiseKernels kElementwiseKernels = {
    activation, activation_backward, dropout, column_sums, arithmetic};

}  // namespace tw::cpu::TW_ISA
