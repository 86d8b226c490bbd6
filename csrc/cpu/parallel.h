// The thread pool. A region is a number of tasks whose cut never depends on the
// thread count, so results are the same bits at 1, 2 or 64 threads. Each thread
// has a share of the tasks, in order, and takes from the others' when its own
// is done: what one region wrote is then mostly in the caches of the thread
// that reads it in the next. Workers spin briefly after a region and then park,
// for a training step is many short regions close together, and a spinning
// pool in a throttled container starves its own work.
//
// A forked child starts with no pool and builds its own at its first region.
// A region entered from a worker, or while another Python thread holds the
// pool, runs serially in its caller. Bodies must not throw or allocate.
#pragma once

#include <cstdint>
#include <type_traits>

namespace tw::cpu {

int num_threads();
// Throws std::invalid_argument unless 1 <= threads <= 4096.
void set_num_threads(int threads);

// How many threads a region of this much work pays for: below about 20 us a
// thread costs more to wake than it saves.
int threads_for_flops(double flops);
int threads_for_bytes(double bytes);

using TaskBody = void (*)(void* context, int64_t task, int worker);

// Runs body(context, task, worker) for each task in [0, tasks), worker in
// [0, threads). `threads` caps the pool; it must be at least 1.
void parallel_region(int64_t tasks, int threads, TaskBody body, void* context);

template <class Body>
void parallel_for(int64_t tasks, int threads, Body&& body) {
  parallel_region(
      tasks, threads,
      [](void* context, int64_t task, int worker) {
        (*static_cast<std::remove_reference_t<Body>*>(context))(task, worker);
      },
      &body);
}

// While one exists, threads that wait for a region spin for longer before they
// park: in a program of many regions each would have to be woken again.
class KeepAwake {
 public:
  KeepAwake();
  ~KeepAwake();
  KeepAwake(const KeepAwake&) = delete;
  KeepAwake& operator=(const KeepAwake&) = delete;
};

// Work in small pieces (a few microseconds) that nobody waits for yet. Threads
// do it while they wait for a region; none is woken for it.
class IdleWork {
 public:
  // Does a piece; false where none is left. Any number of threads at once; must
  // not throw.
  virtual bool do_piece() = 0;

 protected:
  ~IdleWork() = default;
};

// Of one work at a time: where there is another, nothing happens.
void offer_idle_work(IdleWork* work);
// Returns when no thread is in it.
void withdraw_idle_work(IdleWork* work);

// Lets another thread have the processor.
void give_way();

// How often this process is a fork of one that had a pool, whose threads are
// not here.
uint64_t forks();

}  // namespace tw::cpu
