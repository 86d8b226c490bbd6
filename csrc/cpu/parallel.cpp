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
constexpr auto kSpinAwake = std::chrono::microseconds(500);
constexpr int kMaxThreads = 4096;
constexpr double kFlopsPerThread = 1e6;  // ~10-20 us of FMA on one core
constexpr double kBytesPerThread = 2e5;  // ~10-20 us of copying

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

std::atomic<int> keeping_awake{0};
std::atomic<uint64_t> fork_count{0};

// What is on offer, and how many threads look at it.
std::atomic<IdleWork*> idle_work{nullptr};
std::atomic<int> idle_threads{0};

bool do_idle_piece() {
  if (!idle_work.load(std::memory_order_relaxed)) return false;
  idle_threads.fetch_add(1);  // before the look: a withdrawal waits for it
  IdleWork* work = idle_work.load();
  const bool done = work && work->do_piece();
  idle_threads.fetch_sub(1);
  return done;
}

// As spin_until, for threads that have no region: they do idle work.
template <class Ready>
bool idle_until(Ready ready) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  for (;;) {
    for (int i = 0; i < 64; i++) {
      if (ready()) return true;
      pause();
    }
    while (do_idle_piece())
      if (ready()) return true;
    const bool awake = keeping_awake.load(std::memory_order_relaxed) > 0;
    if (Clock::now() - begin >= (awake ? kSpinAwake : kSpin)) return ready();
  }
}

// One word holds the region's number, whether it is open, and how many workers
// are inside: a worker enters only while it is open, so a caller that has run
// out of tasks closes it and waits for those inside, never for one that the
// operating system has yet to wake.
constexpr uint64_t kInside = (1u << 15) - 1;
constexpr uint64_t kOpen = 1u << 15;
constexpr uint64_t kRegion = 1u << 16;

class Pool {
 public:
  // One region at a time; `threads` includes the caller.
  void run(int64_t tasks, int threads, TaskBody body, void* context) {
    grow(threads - 1);
    body_ = body;
    context_ = context;
    helpers_ = threads - 1;
    for (int i = 0; i < threads; i++) {
      shares_[i].end = tasks * (i + 1) / threads;
      shares_[i].next.store(tasks * i / threads, std::memory_order_relaxed);
    }
    {
      // Under the lock, else a worker about to park could miss it.
      std::lock_guard<std::mutex> lock(mutex_);
      gate_.fetch_add(kRegion + kOpen, std::memory_order_acq_rel);
    }
    if (parked_.load(std::memory_order_acquire) > 0) wake_.notify_all();
    work(0);
    gate_.fetch_sub(kOpen, std::memory_order_acq_rel);
    const auto empty = [&] {
      return (gate_.load(std::memory_order_acquire) & kInside) == 0;
    };
    while (!spin_until(empty)) std::this_thread::yield();
  }

 private:
  void grow(int wanted) {
    while (workers_ < wanted) {
      const uint64_t region = gate_.load() / kRegion;
      try {
        std::thread([this, index = workers_ + 1, region] {
          loop(index, region);
        }).detach();
      } catch (const std::system_error&) {
        return;  // the process may not start more threads: go on with fewer
      }
      workers_++;
    }
  }

  void loop(int worker, uint64_t seen) {
    inside_region = true;
    const FlushDenormals flush;
    for (;;) {
      const auto changed = [&] {
        return gate_.load(std::memory_order_acquire) / kRegion != seen;
      };
      if (!idle_until(changed)) {
        std::unique_lock<std::mutex> lock(mutex_);
        parked_++;
        wake_.wait(lock, changed);
        parked_--;
      }
      uint64_t gate = gate_.load(std::memory_order_acquire);
      seen = gate / kRegion;
      bool inside = false;
      while ((gate & kOpen) && gate / kRegion == seen && !inside)
        inside = gate_.compare_exchange_weak(gate, gate + 1,
                                             std::memory_order_acq_rel);
      if (!inside) continue;
      if (worker <= helpers_) work(worker);
      gate_.fetch_sub(1, std::memory_order_acq_rel);
    }
  }

  // A worker's own share of the tasks first, then what others have left: from
  // region to region a thread mostly meets the images that are in its caches.
  void work(int worker) {
    const int threads = helpers_ + 1;
    for (int i = 0; i < threads; i++) {
      Share& share = shares_[(worker + i) % threads];
      const int64_t end = share.end;
      for (int64_t task;
           (task = share.next.fetch_add(1, std::memory_order_relaxed)) < end;)
        body_(context_, task, worker);
    }
  }

  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  TaskBody body_ = nullptr;
  void* context_ = nullptr;
  int helpers_ = 0;
  int workers_ = 0;
  std::vector<Share> shares_ = std::vector<Share>(kMaxThreads);
  alignas(64) std::atomic<uint64_t> gate_{0};
  alignas(64) std::atomic<int> parked_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
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
  keeping_awake = 0;
  idle_work = nullptr;
  idle_threads = 0;
  fork_count++;
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
  if (threads < 1 || threads > kMaxThreads)
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

KeepAwake::KeepAwake() { keeping_awake++; }
KeepAwake::~KeepAwake() {
  // A fork in the meantime has forgotten it.
  int count = keeping_awake.load();
  while (count > 0 && !keeping_awake.compare_exchange_weak(count, count - 1)) {
  }
}

void offer_idle_work(IdleWork* work) {
  IdleWork* none = nullptr;
  idle_work.compare_exchange_strong(none, work);
}

void withdraw_idle_work(IdleWork* work) {
  if (!idle_work.compare_exchange_strong(work, nullptr)) return;
  while (idle_threads.load() > 0) give_way();
}

void give_way() { std::this_thread::yield(); }

uint64_t forks() { return fork_count.load(); }

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
