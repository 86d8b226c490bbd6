#include "cpu/allocator.h"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace tw::cpu {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;
// Eight classes to each doubling waste at most an eighth of a block.
constexpr int kClassesPerDoubling = 8;
constexpr int kClasses = 64 * kClassesPerDoubling;
// What the cache may hold beyond the most that was ever in use at once.
constexpr size_t kCacheFloor = size_t{256} << 20;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kCaching = false;  // a reused block would hide a stale access
#else
constexpr bool kCaching = true;
#endif

// Stands in the 64 bytes before each block.
struct Header {
  size_t bytes;  // of the whole block, header included
  int size_class;
  Header* next;  // while cached
};
static_assert(sizeof(Header) <= kAlignment);

int size_class_of(size_t bytes) {
  const size_t units = std::max<size_t>((bytes + kAlignment - 1) / kAlignment,
                                        kClassesPerDoubling);
  const int log = 63 - __builtin_clzll(units);
  const int shift = log - 3;
  const size_t step = size_t{1} << shift;
  const size_t rounded = (units + step - 1) / step;  // 8..16
  return shift * kClassesPerDoubling +
         static_cast<int>(rounded - kClassesPerDoubling);
}

size_t bytes_of_class(int size_class) {
  const int shift = size_class / kClassesPerDoubling;
  const size_t rounded = kClassesPerDoubling + size_class % kClassesPerDoubling;
  return (rounded << shift) * kAlignment;
}

Header* from_system(size_t bytes) {
  const bool huge = kCaching && bytes >= 2 * kHugePage;
  const size_t alignment = huge ? kHugePage : kAlignment;
  const size_t padded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, padded);
  if (!memory) return nullptr;
#if defined(__linux__)
  if (huge) madvise(memory, padded, MADV_HUGEPAGE);
#endif
  return static_cast<Header*>(memory);
}

struct Cache {
  std::mutex mutex;
  Header* free[kClasses] = {};
  uint64_t last_used[kClasses] = {};  // when a block of the class came or went
  uint64_t now = 0;
  size_t in_use = 0, peak = 0, cached = 0;
  uint64_t system_allocations = 0;

  // A block of the class, else of the next larger ones, up to twice its size.
  Header* take(int size_class) {
    const int end = std::min(size_class + kClassesPerDoubling, kClasses);
    for (int c = size_class; c < end; c++)
      if (free[c]) return pop(c);
    return nullptr;
  }

  void put(Header* block) {
    const int c = block->size_class;
    block->next = free[c];
    free[c] = block;
    last_used[c] = ++now;
    cached += block->bytes;
  }

  // Gives back what has not been used for longest, so that what a program did
  // before leaves room for what it does now.
  void trim() {
    const size_t most = std::max(kCacheFloor, peak);
    while (cached > most) {
      int oldest = -1;
      for (int c = 0; c < kClasses; c++)
        if (free[c] && (oldest < 0 || last_used[c] < last_used[oldest]))
          oldest = c;
      std::free(pop(oldest));
    }
  }

  void drop() {
    for (int c = 0; c < kClasses; c++)
      while (free[c]) std::free(pop(c));
  }

 private:
  Header* pop(int size_class) {
    Header* block = free[size_class];
    free[size_class] = block->next;
    cached -= block->bytes;
    return block;
  }
};

// Never destroyed: arrays may be freed after static destructors have run. The
// lock is held over fork(), so a child never inherits it taken.
Cache& cache() {
  static Cache* the = [] {
    static Cache* made = new Cache;
    pthread_atfork([] { made->mutex.lock(); }, [] { made->mutex.unlock(); },
                   [] { made->mutex.unlock(); });
    return made;
  }();
  return *the;
}

}  // namespace

void* allocate(size_t bytes) {
  if (bytes > (size_t{1} << 62)) throw std::bad_alloc();
  Cache& c = cache();
  const int size_class = size_class_of(bytes + kAlignment);
  const size_t block_bytes =
      kCaching ? bytes_of_class(size_class) : bytes + kAlignment;
  std::lock_guard<std::mutex> lock(c.mutex);
  Header* block = c.take(size_class);
  if (!block) {
    block = from_system(block_bytes);
    if (!block) {  // the cache may hold what is missing
      c.drop();
      block = from_system(block_bytes);
    }
    if (!block) throw std::bad_alloc();
    c.system_allocations++;
    block->bytes = block_bytes;
    block->size_class = size_class;
  }
  c.last_used[block->size_class] = ++c.now;
  c.in_use += block->bytes;
  c.peak = std::max(c.peak, c.in_use);
  return reinterpret_cast<char*>(block) + kAlignment;
}

void deallocate(void* memory) noexcept {
  if (!memory) return;
  auto* block =
      reinterpret_cast<Header*>(static_cast<char*>(memory) - kAlignment);
  Cache& c = cache();
  std::lock_guard<std::mutex> lock(c.mutex);
  c.in_use -= block->bytes;
  if (!kCaching) return std::free(block);
  c.put(block);
  c.trim();
}

void release_cached_memory() noexcept {
  Cache& c = cache();
  std::lock_guard<std::mutex> lock(c.mutex);
  c.drop();
}

AllocatorStats allocator_stats() {
  Cache& c = cache();
  std::lock_guard<std::mutex> lock(c.mutex);
  return {c.in_use, c.cached, c.system_allocations};
}

}  // namespace tw::cpu
