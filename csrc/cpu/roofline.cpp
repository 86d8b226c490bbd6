#include "cpu/roofline.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "cpu/allocator.h"
#include "cpu/cpu_features.h"
#include "cpu/parallel.h"

namespace tw::cpu {
namespace {

constexpr int64_t kIterations = 20000;  // a task of about 50 us
constexpr int64_t kTasksPerThread = 16;
constexpr double kBytesPerTask = 1 << 20;
constexpr int64_t kDataFloats = 64;  // 2 of the widest vectors, and a gap
constexpr int64_t kCopyUnit = 64;    // floats

const RooflineKernels& kernels_in_force() {
  switch (isa_in_force()) {
#if defined(__x86_64__)
    case Isa::avx512: return avx512::kRooflineKernels;
    case Isa::avx2: return avx2::kRooflineKernels;
#elif defined(__aarch64__)
    case Isa::neon: return neon::kRooflineKernels;
#endif
    default: return ref::kRooflineKernels;
  }
}

// The highest rate of rounds of `work` units each, for `seconds` and at least
// five rounds: a round in which the machine did something else too is no
// measure of it.
template <class Round>
double best_rate(double work, double seconds, Round round) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const Clock::time_point begin = Clock::now();
  double best = 0;
  for (int rounds = 0; rounds < 5 || since(begin) < seconds; rounds++) {
    const Clock::time_point start = Clock::now();
    round();
    best = std::max(best, work / since(start));
  }
  return best;
}

}  // namespace

double peak_flops(double seconds) {
  const RooflineKernels& kernels = kernels_in_force();
  const int threads = num_threads();
  const int64_t tasks = threads * kTasksPerThread;
  const Scratch data(kDataFloats, threads);
  std::vector<double> done(static_cast<size_t>(tasks));
  const auto round = [&] {
    parallel_for(tasks, threads, [&](int64_t task, int worker) {
      float* numbers = data.of(worker);
      // The sums approach 2: neither infinite nor denormal.
      std::fill_n(numbers, kDataFloats / 2, 0.5f);
      std::fill_n(numbers + kDataFloats / 4, kDataFloats / 4, 0.5f);
      done[static_cast<size_t>(task)] =
          kernels.multiply_add(kIterations, numbers);
    });
  };
  round();
  double flops = 0;
  for (double part : done) flops += part;
  return best_rate(flops, seconds, round);
}

double copy_bandwidth(int64_t bytes, bool streaming, double seconds) {
  if (bytes <= 0)
    throw std::invalid_argument("copy_bandwidth: bytes must be > 0");
  const RooflineKernels& kernels = kernels_in_force();
  const auto copy = streaming ? kernels.copy_streaming : kernels.copy;
  const int threads = num_threads();
  const int64_t floats =
      std::max<int64_t>(1, bytes / 8 / threads / kCopyUnit) * kCopyUnit;
  const Scratch slices(static_cast<size_t>(2 * floats), threads);
  for (int i = 0; i < threads; i++) std::fill_n(slices.of(i), 2 * floats, 1.0f);

  // A small slice is copied several times in a task, that a task is worth the
  // counter it is taken from. A thread keeps to its own slice, whichever tasks
  // it takes.
  const double slice_bytes = 8.0 * static_cast<double>(floats);
  const auto repeats =
      static_cast<int64_t>(std::max(1.0, kBytesPerTask / slice_bytes));
  const int64_t tasks =
      threads * (slice_bytes > kBytesPerTask ? 2 : kTasksPerThread);
  const auto round = [&] {
    parallel_for(tasks, threads, [&](int64_t, int worker) {
      float* slice = slices.of(worker);
      for (int64_t i = 0; i < repeats; i++) copy(floats, slice, slice + floats);
    });
  };
  round();
  return best_rate(slice_bytes * static_cast<double>(tasks * repeats), seconds,
                   round);
}

}  // namespace tw::cpu
