// What this machine can do at most, measured: multiply-adds a second, and bytes
// copied a second for working sets that stay in a cache or do not. A kernel's
// speed means little without it, since clocks and neighbours change from one
// minute to the next. (S. Williams, A. Waterman and D. Patterson, "Roofline: An
// Insightful Visual Performance Model for Multicore Architectures", CACM 2009.)
#pragma once

#include <cstdint>

namespace tw::cpu {

// FLOP a second, an FMA being two: the best of several rounds, which together
// take about `seconds`, on num_threads() threads with the instruction set in
// force.
double peak_flops(double seconds);

// Bytes read and written a second while each thread copies a slice of its own;
// all slices, source and destination, take `bytes`. `streaming` stores past the
// caches, where the instruction set can. Throws std::invalid_argument unless
// bytes > 0.
double copy_bandwidth(int64_t bytes, bool streaming, double seconds);

// One thread's part, for one instruction set.
struct RooflineKernels {
  // `iterations` times one FMA on each of several independent vectors, as many
  // as hide its latency; `data` holds 2 vectors that the compiler does not
  // know, and takes the sum. Returns the FLOP done.
  double (*multiply_add)(int64_t iterations, float* data);
  // `count` is a multiple of 64, both pointers are aligned to 64 bytes.
  void (*copy)(int64_t count, const float* src, float* dst);
  void (*copy_streaming)(int64_t count, const float* src, float* dst);
};

namespace ref {
extern const RooflineKernels kRooflineKernels;
}
#if defined(__x86_64__)
namespace avx512 {
extern const RooflineKernels kRooflineKernels;
}
namespace avx2 {
extern const RooflineKernels kRooflineKernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const RooflineKernels kRooflineKernels;
}
#endif

}  // namespace tw::cpu
