#include "cpu/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "cpu/denormals.h"
#include "cpu/thread_count.h"

namespace tw::cpu {
namespace {

constexpr auto kSpin = std::chrono::microseconds(60);
constexpr double kFlopsPerThread = 1e6;   // ~10-20 us of FMA on one core
constexpr double kBytesPerThread = 2e5;   // ~10-20 us of copying

thread_local bool inside_region = false;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Spins until ready() or the time is over; true if ready.
template <class Ready>
bool spin_until(Ready ready) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; i++) {
      if (ready()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

class Pool {
 public:
  // One region at a time; `threads` includes the caller.
  void run(int64_t tasks, int threads, TaskBody body, void* context) {
    grow(threads - 1);
    threads = std::min<int>(threads, static_cast<int>(workers_.size()) + 1);
    body_ = body;
    context_ = context;
    tasks_ = tasks;
    next_task_.store(0, std::memory_order_relaxed);
    helpers_.store(threads - 1, std::memory_order_relaxed);
    active_.store(static_cast<int>(workers_.size()),
                  std::memory_order_relaxed);
    {
      // The generation changes under the lock, else a worker about to park
      // could miss it.
      std::lock_guard<std::mutex> lock(mutex_);
      generation_.fetch_add(1, std::memory_order_release);
    }
    if (parked_.load(std::memory_order_acquire) > 0) wake_.notify_all();
    work(0);
    while (active_.load(std::memory_order_acquire) > 0)
      if (!spin_until([&] { return active_.load(std::memory_order_acquire) <= 0; }))
        std::this_thread::yield();
  }

 private:
  void grow(int wanted) {
    while (static_cast<int>(workers_.size()) < wanted) {
      const int index = static_cast<int>(workers_.size()) + 1;
      const uint64_t seen = generation_.load();
      try {
        workers_.emplace_back([this, index, seen] { loop(index, seen); });
        workers_.back().detach();
      } catch (const std::system_error&) {
        return;  // the process may not start more threads: go on with fewer
      }
    }
  }

  void loop(int worker, uint64_t seen) {
    inside_region = true;
    const FlushDenormals flush;
    for (;;) {
      const auto changed = [&] {
        return generation_.load(std::memory_order_acquire) != seen;
      };
      if (!spin_until(changed)) {
        std::unique_lock<std::mutex> lock(mutex_);
        parked_++;
        wake_.wait(lock, changed);
        parked_--;
      }
      seen++;
      if (worker <= helpers_.load(std::memory_order_relaxed)) work(worker);
      active_.fetch_sub(1, std::memory_order_acq_rel);
    }
  }

  void work(int worker) {
    const int64_t tasks = tasks_;
    for (int64_t task;
         (task = next_task_.fetch_add(1, std::memory_order_relaxed)) < tasks;)
      body_(context_, task, worker);
  }

  TaskBody body_ = nullptr;
  void* context_ = nullptr;
  int64_t tasks_ = 0;
  alignas(64) std::atomic<int64_t> next_task_{0};
  alignas(64) std::atomic<uint64_t> generation_{0};
  alignas(64) std::atomic<int> active_{0};
  std::atomic<int> helpers_{0};
  std::atomic<int> parked_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
};

// Never destroyed: workers may outlive static destructors at exit. Replaced in
// a forked child, where the parent's workers do not exist.
std::atomic<Pool*> pool{nullptr};
std::atomic_flag busy = ATOMIC_FLAG_INIT;

std::atomic<int>& thread_limit() {
  static std::atomic<int> limit{default_thread_count().threads};
  return limit;
}

void forget_pool_in_child() {
  pool.store(nullptr);
  busy.clear();
  inside_region = false;
}

Pool& the_pool() {
  Pool* current = pool.load(std::memory_order_acquire);
  if (!current) {
    static const int registered =
        pthread_atfork(nullptr, nullptr, forget_pool_in_child);
    (void)registered;
    current = new Pool;
    pool.store(current, std::memory_order_release);
  }
  return *current;
}

}  // namespace

int num_threads() { return thread_limit().load(std::memory_order_relaxed); }

void set_num_threads(int threads) {
  if (threads < 1 || threads > 4096)
    throw std::invalid_argument(
        "set_num_threads: expected 1 to 4096 threads, got " +
        std::to_string(threads));
  thread_limit().store(threads);
}

int threads_for_flops(double flops) {
  return static_cast<int>(std::clamp(flops / kFlopsPerThread, 1.0,
                                     static_cast<double>(num_threads())));
}

int threads_for_bytes(double bytes) {
  return static_cast<int>(std::clamp(bytes / kBytesPerThread, 1.0,
                                     static_cast<double>(num_threads())));
}

void parallel_region(int64_t tasks, int threads, TaskBody body, void* context) {
  const FlushDenormals flush;
  threads = static_cast<int>(std::min<int64_t>(threads, tasks));
  if (threads > 1 && !inside_region &&
      !busy.test_and_set(std::memory_order_acquire)) {
    inside_region = true;
    the_pool().run(tasks, threads, body, context);
    inside_region = false;
    busy.clear(std::memory_order_release);
    return;
  }
  for (int64_t task = 0; task < tasks; task++) body(context, task, 0);
}

}  // namespace tw::cpu
