// Sums over the rows are taken in chunks of a fixed number of rows, in float,
// and put together in double in the order of the chunks: the bits do not depend
// on the threads. Each chunk's moments are about a number near its own mean (T.
// F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample
// variance", 1983, have the shift and the formula that joins two chunks), so
// that one pass over x is enough and a mean far from 0 costs no digits.
//
// Where C is no multiple of a vector's lanes several rows are taken as one, of
// as many columns more. The second pass over memory goes backwards: it begins
// with what the first has left in the caches.
#include "cpu/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/integers.h"
#include "cpu/algorithm.h"
#include "cpu/allocator.h"
#include "cpu/batch_norm_kernels.h"
#include "cpu/parallel.h"
#include "cpu/streaming.h"

namespace tw::cpu {
namespace {

// Sums of more rows would lose digits, and of fewer leave more to be joined.
constexpr int64_t kChunkRows = 256;
constexpr int64_t kPanel = 512;        // columns, whose sums stay in L1
constexpr int64_t kBlock = 16384;      // floats of a task in the second pass
constexpr int64_t kJoined = 64;        // channels of a task that joins chunks
constexpr int64_t kFewestFolded = 16;  // rows that are left after folding

// Rows of channels as rows of columns: `fold` rows become one where there are
// enough of them. What is left over at the end are short rows, of C columns.
struct Shape {
  Shape(int64_t all_rows, int64_t channels) : C(channels) {
    const int64_t whole = kLineFloats / std::gcd(C, kLineFloats);
    fold = all_rows / whole >= kFewestFolded ? whole : 1;
    rows = all_rows / fold;
    columns = C * fold;
    short_rows = all_rows - rows * fold;
  }
  int64_t size() const { return (rows * fold + short_rows) * C; }
  int64_t C, fold, rows, columns, short_rows;
};

// Equal parts of the rows, then the short rows as one more.
struct Parts {
  Parts(const Shape& s, int64_t part_rows)
      : shape(s), size(part_rows), whole(ceil_div(s.rows, part_rows)) {}
  int64_t count() const { return whole + (shape.short_rows > 0); }
  bool is_short(int64_t part) const { return part == whole; }
  // The first float, the rows and their columns.
  int64_t begin(int64_t part) const {
    return (is_short(part) ? shape.rows : part * size) * shape.columns;
  }
  int64_t rows(int64_t part) const {
    return is_short(part) ? shape.short_rows
                          : std::min(size, shape.rows - part * size);
  }
  int64_t columns(int64_t part) const {
    return is_short(part) ? shape.C : shape.columns;
  }
  const Shape& shape;
  int64_t size, whole;
};

// Three numbers a column from each chunk.
class ChunkSums {
 public:
  explicit ChunkSums(const Parts& chunks)
      : columns_(chunks.shape.columns),
        memory_(static_cast<size_t>(3 * columns_),
                static_cast<int>(chunks.count())) {}
  float* first(int64_t chunk) const {
    return memory_.of(static_cast<int>(chunk));
  }
  float* second(int64_t chunk) const { return first(chunk) + columns_; }
  float* pivot(int64_t chunk) const { return second(chunk) + columns_; }

 private:
  int64_t columns_;
  Scratch memory_;
};

// kernel(sums) for each chunk and panel; `of` has the arrays' beginnings, and
// of what belongs to columns, as many as a folded row has.
void sum_chunks(const Parts& chunks, const ChunkSums& sums, const NormSums& of,
                void (*kernel)(const NormSums&)) {
  const int64_t panels = ceil_div(chunks.shape.columns, kPanel);
  const double bytes =
      (of.dy ? 8.0 : 4.0) * static_cast<double>(chunks.shape.size());
  parallel_for(chunks.count() * panels, threads_for_bytes(bytes),
               [&](int64_t task, int) {
                 const int64_t chunk = task / panels,
                               j = task % panels * kPanel;
                 const int64_t columns = chunks.columns(chunk);
                 if (j >= columns) return;
                 NormSums part = of;
                 part.rows = chunks.rows(chunk);
                 part.columns = std::min(kPanel, columns - j);
                 part.stride = columns;
                 part.x = of.x + chunks.begin(chunk) + j;
                 if (of.dy) part.dy = of.dy + chunks.begin(chunk) + j;
                 if (of.mean) part.mean = of.mean + j;
                 if (of.scale)
                   part.scale = of.scale + j, part.shift = of.shift + j;
                 part.first = sums.first(chunk) + j;
                 part.second = sums.second(chunk) + j;
                 part.pivot = sums.pivot(chunk) + j;
                 kernel(part);
               });
}

// kernel(rows) for the whole of `out`.
void map_rows(const Shape& shape, const NormRows& of,
              void (*kernel)(const NormRows&)) {
  const Parts blocks(shape, std::max<int64_t>(1, kBlock / shape.columns));
  const double bytes = (of.dy ? 12.0 : 8.0) * static_cast<double>(shape.size());
  const bool streaming = pays_streaming(of.out, shape.size()) &&
                         of.out != of.dy && shape.columns % kLineFloats == 0;
  const int64_t count = blocks.count();
  parallel_for(count, threads_for_bytes(bytes), [&](int64_t task, int) {
    const int64_t block = count - 1 - task, begin = blocks.begin(block);
    NormRows part = of;
    part.rows = blocks.rows(block);
    part.columns = blocks.columns(block);
    if (of.x) part.x = of.x + begin;
    if (of.dy) part.dy = of.dy + begin;
    part.out = of.out + begin;
    part.streaming = streaming && !blocks.is_short(block);
    kernel(part);
  });
}

// body(chunk, column, rows) for each group of the columns that belong to the
// channels [begin, ...), in the order of the rows.
template <class Body>
void over_chunks(const Parts& chunks, int64_t begin, Body body) {
  for (int64_t chunk = 0; chunk < chunks.count(); chunk++) {
    const int64_t folded = chunks.columns(chunk) / chunks.shape.C;
    for (int64_t i = 0; i < folded; i++)
      body(chunk, i * chunks.shape.C + begin, chunks.rows(chunk));
  }
}

// body(first channel, how many) for groups of channels.
template <class Body>
void over_channels(const Parts& chunks, Body body) {
  const int64_t C = chunks.shape.C;
  const double bytes = 16.0 * static_cast<double>(chunks.count()) *
                       static_cast<double>(chunks.shape.columns);
  parallel_for(ceil_div(C, kJoined), threads_for_bytes(bytes),
               [&](int64_t task, int) {
                 const int64_t begin = task * kJoined;
                 body(begin, std::min(kJoined, C - begin));
               });
}

// What a row is multiplied by and what is added to it, for all columns.
class Coefficients {
 public:
  Coefficients(const Shape& shape, int arrays)
      : shape_(shape), memory_(static_cast<size_t>(shape.columns), arrays) {}
  float* of(int array) const { return memory_.of(array); }
  // A channel's number, in each of its columns.
  void set(int array, int64_t channel, double value) const {
    for (int64_t i = 0; i < shape_.fold; i++)
      of(array)[i * shape_.C + channel] = static_cast<float>(value);
  }

 private:
  const Shape& shape_;
  Scratch memory_;
};

enum Column { kMean, kScale, kShift, kA, kB, kC };

struct Channel {
  double mean, left, root;  // of `saved`
  double weight, bias;
};

template <class Problem>
Channel channel(const Problem& p, int64_t c) {
  return {p.saved[c], p.saved[p.C + c], p.saved[2 * p.C + c],
          p.weight ? p.weight[c] : 1.0, p.bias ? p.bias[c] : 0.0};
}

// y = (x - mean) scale + shift. The same numbers in both directions, for relu.
void set_affine(const Coefficients& to, int64_t c, const Channel& of) {
  const double scale = of.weight * of.root;
  to.set(kMean, c, of.mean);
  to.set(kScale, c, scale);
  to.set(kShift, c, of.bias - of.left * scale);
}

void save(const BatchNormForward& p, int64_t c, double mean, double variance) {
  const auto rounded = static_cast<float>(mean);
  p.saved[c] = rounded;
  p.saved[p.C + c] = static_cast<float>(mean - rounded);
  p.saved[2 * p.C + c] = static_cast<float>(1 / std::sqrt(variance + p.eps));
}

void move(float& running, double momentum, double to) {
  running = static_cast<float>(running + momentum * (to - running));
}

// Mean and variance of the channels [begin, begin + count).
void join_moments(const BatchNormForward& p, const Parts& chunks,
                  const ChunkSums& sums, int64_t begin, int64_t count) {
  double total[kJoined] = {}, squares[kJoined] = {};
  double n = 0;  // rows so far
  over_chunks(chunks, begin, [&](int64_t chunk, int64_t j, int64_t rows) {
    const float* pivot = sums.pivot(chunk) + j;
    const float* first = sums.first(chunk) + j;
    const float* second = sums.second(chunk) + j;
    const auto m = static_cast<double>(rows);
    const double ratio = n > 0 ? m / n : 0, share = n / (m * (n + m));
    for (int64_t c = 0; c < count; c++) {
      const double sum = first[c], of_chunk = m * pivot[c] + sum;
      const double own = second[c] - sum * sum / m;
      const double apart = ratio * total[c] - of_chunk;
      squares[c] += (own < 0 ? 0 : own) + share * apart * apart;
      total[c] += of_chunk;
    }
    n += m;
  });
  for (int64_t c = 0; c < count; c++) {
    const double mean = total[c] / n, variance = squares[c] / n;
    save(p, begin + c, mean, variance);
    if (!p.running_mean) continue;
    move(p.running_mean[begin + c], p.momentum, mean);
    move(p.running_var[begin + c], p.momentum,
         p.unbiased ? squares[c] / (n - 1) : variance);
  }
}

template <const BatchNormKernels& kernels>
void run(const BatchNormForward& p) {
  if (p.C == 0) return;
  const Shape shape(p.rows, p.C);
  const Coefficients columns(shape, 3);
  if (p.training) {
    const Parts chunks(shape, kChunkRows);
    const ChunkSums sums(chunks);
    NormSums of{};
    of.x = p.x;
    sum_chunks(chunks, sums, of, kernels.moments);
    over_channels(chunks, [&](int64_t begin, int64_t count) {
      join_moments(p, chunks, sums, begin, count);
    });
  } else {
    for (int64_t c = 0; c < p.C; c++)
      save(p, c, p.running_mean[c], p.running_var[c]);
  }
  for (int64_t c = 0; c < p.C; c++) set_affine(columns, c, channel(p, c));
  NormRows rows{};
  rows.x = p.x, rows.out = p.y;
  rows.mean = columns.of(kMean), rows.scale = columns.of(kScale);
  rows.shift = columns.of(kShift);
  map_rows(shape, rows, p.relu ? kernels.normalize_relu : kernels.normalize);
}

// The gradients of weight and bias of some channels, and what makes of dy and x
// a row of dx: with n rows and x^ the normalized x,
//   dx = weight / sqrt(variance + eps) (dy - sum(dy) / n - x^ sum(dy x^) / n).
void join_gradients(const BatchNormBackward& p, const Parts& chunks,
                    const ChunkSums& sums, const Coefficients& columns,
                    int64_t begin, int64_t count) {
  double dy[kJoined] = {}, dy_x[kJoined] = {};
  over_chunks(chunks, begin, [&](int64_t chunk, int64_t j, int64_t) {
    const float* first = sums.first(chunk) + j;
    const float* second = sums.second(chunk) + j;
    for (int64_t c = 0; c < count; c++) {
      dy[c] += first[c];
      dy_x[c] += second[c];
    }
  });
  const double each = p.rows > 0 ? 1 / static_cast<double>(p.rows) : 0;
  for (int64_t i = 0; i < count; i++) {
    const int64_t c = begin + i;
    const Channel of = channel(p, c);
    const double dweight = of.root * (dy_x[i] - of.left * dy[i]);
    p.dweight[c] = static_cast<float>(dweight);
    p.dbias[c] = static_cast<float>(dy[i]);
    const double a = of.weight * of.root, b = -a * of.root * dweight * each;
    columns.set(kA, c, a);
    columns.set(kB, c, b);
    columns.set(kC, c, -a * dy[i] * each - b * of.left);
  }
}

template <const BatchNormKernels& kernels>
void run_backward(const BatchNormBackward& p) {
  if (p.C == 0) return;
  const Shape shape(p.rows, p.C);
  const Coefficients columns(shape, 6);
  for (int64_t c = 0; c < p.C; c++) set_affine(columns, c, channel(p, c));

  const Parts chunks(shape, kChunkRows);
  const ChunkSums sums(chunks);
  NormSums of{};
  of.x = p.x, of.dy = p.dy;
  of.mean = columns.of(kMean), of.scale = columns.of(kScale);
  of.shift = columns.of(kShift);
  sum_chunks(chunks, sums, of,
             p.relu ? kernels.gradient_sums_relu : kernels.gradient_sums);
  over_channels(chunks, [&](int64_t begin, int64_t count) {
    join_gradients(p, chunks, sums, columns, begin, count);
  });

  NormRows rows{};
  rows.x = p.x, rows.dy = p.dy, rows.out = p.dx;
  rows.mean = of.mean, rows.scale = of.scale, rows.shift = of.shift;
  rows.a = columns.of(kA), rows.b = columns.of(kB), rows.c = columns.of(kC);
  if (p.training)
    map_rows(shape, rows, p.relu ? kernels.gradient_relu : kernels.gradient);
  else
    map_rows(shape, rows,
             p.relu ? kernels.evaluation_gradient_relu
                    : kernels.evaluation_gradient);
}

const Algorithm<BatchNormForward> kForward[] = {
#if defined(__x86_64__)
    {"chunks_avx512", Isa::avx512, refuse_none, run<avx512::kBatchNormKernels>},
    {"chunks_avx2", Isa::avx2, refuse_none, run<avx2::kBatchNormKernels>},
#elif defined(__aarch64__)
    {"chunks_neon", Isa::neon, refuse_none, run<neon::kBatchNormKernels>},
#endif
    {"ref", Isa::ref, refuse_none, run<ref::kBatchNormKernels>},
};
const AlgorithmList kForwardList("batch_norm", kForward);

const Algorithm<BatchNormBackward> kBackward[] = {
#if defined(__x86_64__)
    {"chunks_avx512", Isa::avx512, refuse_none,
     run_backward<avx512::kBatchNormKernels>},
    {"chunks_avx2", Isa::avx2, refuse_none,
     run_backward<avx2::kBatchNormKernels>},
#elif defined(__aarch64__)
    {"chunks_neon", Isa::neon, refuse_none,
     run_backward<neon::kBatchNormKernels>},
#endif
    {"ref", Isa::ref, refuse_none, run_backward<ref::kBatchNormKernels>},
};
const AlgorithmList kBackwardList("batch_norm_backward", kBackward);

}  // namespace

void batch_norm(const BatchNormForward& problem) { kForwardList.run(problem); }
void batch_norm_backward(const BatchNormBackward& problem) {
  kBackwardList.run(problem);
}

}  // namespace tw::cpu
