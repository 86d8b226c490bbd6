// A chunk is a product, the loss over its rows, and three products more.
#include <algorithm>

#include "common/integers.h"
#include "cuda/elementwise/elementwise.h"
#include "cuda/gemm/gemm.h"
#include "cuda/softmax_cross_entropy/linear_softmax_cross_entropy.h"

namespace tw::cuda {
namespace {

using Problem = LinearSoftmaxCrossEntropy;

// A chunk: rows [first, first + rows) of x.
struct Chunk {
  int64_t first, rows;
};

int64_t chunks_of(const Problem& p) {
  // Without rows there is one of none, which clears the gradients.
  return std::max(int64_t{1}, ceil_div(p.loss.rows, p.chunk_rows));
}

Chunk chunk_of(const Problem& p, int64_t number) {
  const int64_t first = number * p.chunk_rows;
  return {first, std::min(p.chunk_rows, p.loss.rows - first)};
}

GemmProblem forward_of(const Problem& p, const Chunk& c, float* logits) {
  GemmProblem q{};
  q.m = c.rows, q.n = p.loss.C, q.k = p.in;
  q.a = p.x + c.first * p.in, q.b = p.weight, q.c = logits;
  q.bias = p.bias;
  q.precision = p.precision;
  return q;
}

GemmProblem dx_of(const Problem& p, const Chunk& c, const float* dlogits) {
  GemmProblem q{};
  q.m = c.rows, q.n = p.in, q.k = p.loss.C;
  q.a = dlogits, q.b = p.weight, q.c = p.dx + c.first * p.in;
  q.transpose_b = true;
  q.precision = p.precision;
  return q;
}

GemmProblem dweight_of(const Problem& p, const Chunk& c, const float* dlogits) {
  GemmProblem q{};
  q.m = p.in, q.n = p.loss.C, q.k = c.rows;
  q.a = p.x + c.first * p.in, q.b = dlogits, q.c = p.dweight;
  q.transpose_a = true;
  q.accumulate = c.first > 0;
  q.precision = p.precision;
  return q;
}

// The sum of a chunk's rows, and that of the chunks'.
AxisSum chunk_sum(const Problem& p, const Chunk& c, const float* dlogits,
                  float* sums) {
  return {dlogits, 1, c.rows, p.loss.C, sums};
}
AxisSum sum_of_sums(const Problem& p, const float* sums) {
  return {sums, 1, chunks_of(p), p.loss.C, p.dbias};
}

// What lies where in the workspace, in floats; all of it in whole quads.
struct Layout {
  int64_t loss = 0, logits = 0, sums = 0, scratch = 0, floats = 0;

  explicit Layout(const Problem& p) {
    const int64_t chunks = chunks_of(p);
    loss = take(softmax_cross_entropy_workspace(p.loss));
    logits = take(chunk_of(p, 0).rows * p.loss.C);
    sums = take(p.dbias ? chunks * p.loss.C : 0);
    // The last chunk may have fewer rows, and a depth that is cut otherwise.
    int64_t most = p.dbias ? axis_sum_workspace(sum_of_sums(p, nullptr)) : 0;
    for (const int64_t number : {int64_t{0}, chunks - 1}) {
      const Chunk c = chunk_of(p, number);
      most = std::max({most, gemm_workspace(forward_of(p, c, nullptr)),
                       gemm_workspace(dx_of(p, c, nullptr)),
                       gemm_workspace(dweight_of(p, c, nullptr))});
      if (p.dbias)
        most = std::max(most,
                        axis_sum_workspace(chunk_sum(p, c, nullptr, nullptr)));
    }
    scratch = take(most);
  }

 private:
  int64_t take(int64_t count) {
    const int64_t begin = floats;
    floats += round_up(count, 4);
    return begin;
  }
};

}  // namespace

int64_t linear_softmax_cross_entropy_workspace(const Problem& p) {
  return Layout(p).floats;
}

void linear_softmax_cross_entropy(const Problem& p, float* workspace,
                                  Stream stream) {
  const Layout at(p);
  float* losses = workspace + at.loss;
  float* logits = workspace + at.logits;
  float* sums = workspace + at.sums;
  float* scratch = workspace + at.scratch;
  softmax_cross_entropy_begin(p.loss, losses, stream);
  for (int64_t number = 0; number < chunks_of(p); number++) {
    const Chunk c = chunk_of(p, number);
    gemm(forward_of(p, c, logits), scratch, stream);
    softmax_cross_entropy_rows(p.loss, c.first, c.rows, logits, logits, losses,
                               stream);
    gemm(dx_of(p, c, logits), scratch, stream);
    gemm(dweight_of(p, c, logits), scratch, stream);
    if (p.dbias)
      axis_sum(chunk_sum(p, c, logits, sums + number * p.loss.C), scratch,
               stream);
  }
  if (p.dbias) axis_sum(sum_of_sums(p, sums), scratch, stream);
  softmax_cross_entropy_end(p.loss, losses, stream);
}

}  // namespace tw::cuda
