// What the softmax_cross_entropy driver asks of an instruction set: a block of
// rows at a time, single-threaded.
#pragma once

#include <cstdint>

namespace tw::cpu {

struct SoftmaxRows {
  int64_t rows, C;
  const float* a;
  const float* saved;
  float* out;
  float* references;  // scratch: one a chunk of a row
};

struct CrossEntropyRows {
  int64_t rows, C;
  const float* logits;
  const int64_t* labels;
  bool has_ignore_index;
  int64_t ignore_index;
  const float* class_weight;  // null: all 1
  float weight_sum;           // of all classes
  float target_share;         // 1 - s
  float smoothing;            // s / C
  float scale;                // of the gradient alone: 1, or of the mean
  float* losses;
  float* dlogits;
  float* references;  // scratch: one a chunk of a row

  bool ignored(int64_t row) const {
    return has_ignore_index && labels[row] == ignore_index;
  }
};

struct SoftmaxKernels {
  void (*softmax)(const SoftmaxRows&);
  void (*log_softmax)(const SoftmaxRows&);
  void (*softmax_backward)(const SoftmaxRows&);
  void (*log_softmax_backward)(const SoftmaxRows&);
  void (*cross_entropy)(const CrossEntropyRows&);
};

// A row is exponentiated in chunks of this many floats. A chunk's input and
// output stay in L1 while its maximum is found and its exponentials are taken.
constexpr int64_t kSoftmaxChunk = 2048;

static inline int64_t softmax_chunks(int64_t C) {
  return (C + kSoftmaxChunk - 1) / kSoftmaxChunk;
}

namespace ref {
extern const SoftmaxKernels kSoftmaxKernels;
}
#if defined(__x86_64__)
namespace avx512 {
extern const SoftmaxKernels kSoftmaxKernels;
}
namespace avx2 {
extern const SoftmaxKernels kSoftmaxKernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const SoftmaxKernels kSoftmaxKernels;
}
#endif

}  // namespace tw::cpu
