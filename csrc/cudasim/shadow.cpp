#include "cudasim/shadow.hpp"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "cudasim/access_log.hpp"
#include "cudasim/async_memory.hpp"
#include "cudasim/block.hpp"
#include "cudasim/module_range.hpp"
#include "cudasim/order.hpp"

namespace tw::cudasim {
namespace {

// Several threads that nothing orders among themselves: of one warp (whose
// number is added), or of any.
constexpr uint16_t kSeveralOfWarp = 0x8000;
constexpr uint16_t kSeveral = 0xffff;
// The copy engine.
constexpr uint16_t kEngine = 0xfffe;

// When somebody touched a unit of memory.
struct Touch {
  uint32_t block;  // 0: nobody
  uint32_t barrier;
  uint16_t thread;
  uint32_t clock, fences;  // of the thread, and of the async proxy by it
  const void* instruction;
};

struct Cell {
  Touch written, read;
  uint32_t first_reading_block;  // of the launch
  bool read_by_blocks;           // by more than the first
};

struct FreeCells {
  void operator()(Cell* cells) const { std::free(cells); }
};

struct Region {
  uintptr_t begin;
  size_t bytes;
  size_t unit;
  bool writeable, shared;
  std::unique_ptr<Cell, FreeCells> cells;

  bool holds(uintptr_t address) const { return address - begin < bytes; }
  uintptr_t end() const { return begin + bytes; }
  void make_cells() {
    cells.reset(
        static_cast<Cell*>(std::calloc(bytes / unit + 1, sizeof(Cell))));
    if (!cells) throw std::bad_alloc();
  }
};

constexpr size_t kSharedUnit = 2;  // bf16 is the smallest that is shared

std::map<uintptr_t, Region> regions;
Region shared_region;
Region* last_region = nullptr;
uint32_t block_number = 0, first_block = 0;
// Who the several threads are, for blocks where what one of them read can be
// over for a thread, and what another read not.
struct Reader {
  int thread;
  uint32_t clock;

  bool known() const {
    return thread == current->linear || knows(current->linear, thread, clock);
  }
};
std::unordered_map<const Cell*, std::vector<Reader>> readers;
uintptr_t host_stack_begin, host_stack_end;

// Once for each thread that follows on another: it reads a file of the
// kernel's.
void find_host_stack() {
  static pthread_t known;
  if (host_stack_end && pthread_equal(known, pthread_self())) return;
  known = pthread_self();
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes)) return;
  void* begin = nullptr;
  size_t bytes = 0;
  pthread_attr_getstack(&attributes, &begin, &bytes);
  pthread_attr_destroy(&attributes);
  host_stack_begin = reinterpret_cast<uintptr_t>(begin);
  host_stack_end = host_stack_begin + bytes;
}

// Memory of the simulator itself: stacks, and the variables of the module.
bool own_memory(uintptr_t address) {
  const StackRange range = stacks();
  return address - reinterpret_cast<uintptr_t>(range.begin) < range.bytes ||
         (address >= host_stack_begin && address < host_stack_end) ||
         in_own_module(address);
}

Region* find_region(uintptr_t address) {
  if (shared_region.holds(address)) return &shared_region;
  if (last_region && last_region->holds(address)) return last_region;
  auto after = regions.upper_bound(address);
  if (after == regions.begin()) return nullptr;
  Region& region = std::prev(after)->second;
  if (!region.holds(address)) return nullptr;
  last_region = &region;
  return last_region;
}

std::string at_text(const void* instruction) {
  return " (instruction " + instruction_text(instruction) + ")";
}

std::string place(const Region& region, uintptr_t address) {
  return std::string(region.shared ? "shared" : "global") +
         " memory at offset " + std::to_string(address - region.begin);
}

int warp_of(const Touch& touch) {
  return touch.thread & kSeveralOfWarp ? touch.thread & ~kSeveralOfWarp
                                       : touch.thread / kWarp;
}

// All who can have been the several of a touch, for whom nothing says more.
std::vector<Reader> possible_readers(const Touch& touch) {
  const bool any = touch.thread == kSeveral;
  const int begin = any ? 0 : warp_of(touch) * kWarp;
  const int end = any ? block_threads() : begin + kWarp;
  std::vector<Reader> result;
  for (int i = begin; i < std::min(end, block_threads()); i++)
    result.push_back({i, any ? clock_of(i) : touch.clock});
  return result;
}

bool all_known(const std::vector<Reader>& some) {
  return std::all_of(some.begin(), some.end(),
                     [](const Reader& reader) { return reader.known(); });
}

// Whether a touch since the last barrier of the block is over for the current
// thread.
bool over(const Cell& cell, const Touch& touch) {
  if (touch.thread == kEngine) return true;
  if (touch.thread < kMostThreads)
    return Reader{touch.thread, touch.clock}.known();
  if (order_is_partial()) {
    const auto found = readers.find(&cell);
    return all_known(found == readers.end() ? possible_readers(touch)
                                            : found->second);
  }
  return touch.thread != kSeveral && warp_of(touch) == current->warp &&
         touch.clock < clock_of(current->linear);
}

// Whether nothing orders an earlier access before the current thread's.
bool unordered(const Cell& cell, const Touch& touch, const Region& region) {
  if (touch.block < first_block) return false;
  if (touch.block != block_number) return !region.shared;
  return touch.barrier == launch_state.barriers && !over(cell, touch);
}

Touch touch_now(const void* instruction) {
  return {block_number,
          launch_state.barriers,
          static_cast<uint16_t>(current->linear),
          clock_of(current->linear),
          proxy_fences_of(current->linear),
          instruction};
}

void note_read(Cell& cell, const void* instruction) {
  if (cell.first_reading_block < first_block) {
    cell.first_reading_block = block_number;
    cell.read_by_blocks = false;
  } else if (cell.first_reading_block != block_number) {
    cell.read_by_blocks = true;
  }
  const Touch old = cell.read;
  cell.read = touch_now(instruction);
  const bool same_period =
      old.block == block_number && old.barrier == launch_state.barriers;
  // What comes after this read also comes after those that are over for it.
  if (!same_period || over(cell, old)) return;
  if (order_is_partial()) {
    auto& all = readers[&cell];
    if (old.thread < kMostThreads)
      all = {{old.thread, old.clock}};
    else if (all.empty())
      all = possible_readers(old);
    all.erase(std::remove_if(all.begin(), all.end(),
                             [](const Reader& one) { return one.known(); }),
              all.end());
    all.push_back({cell.read.thread, cell.read.clock});
    cell.read.thread = kSeveral;
    return;
  }
  const bool of_warp = old.thread != kSeveral && warp_of(old) == current->warp;
  cell.read.thread = of_warp
                         ? static_cast<uint16_t>(kSeveralOfWarp | current->warp)
                         : kSeveral;
}

void check_cell(const Region& region, Cell& cell, uintptr_t address, bool write,
                const void* instruction) {
  if (region.shared && !write && cell.written.block != block_number) {
    fault("read of " + place(region, address) + ", which nothing wrote" +
          at_text(instruction));
    cell.written = touch_now(instruction);
    return;
  }
  if (unordered(cell, cell.written, region))
    fault(std::string("race: ") + (write ? "write" : "read") + " of " +
          place(region, address) + " after a write by thread " +
          std::to_string(cell.written.thread) + at_text(instruction) +
          ", earlier" + at_text(cell.written.instruction));
  if (!write) return;
  const bool other_blocks =
      !region.shared && cell.first_reading_block >= first_block &&
      (cell.read_by_blocks || cell.first_reading_block != block_number);
  if (other_blocks || unordered(cell, cell.read, region))
    fault("race: write of " + place(region, address) + " after a read" +
          at_text(instruction) + ", earlier" + at_text(cell.read.instruction));
}

}  // namespace

void shadow_allow(const void* data, size_t bytes, int unit, bool writeable) {
  if (bytes == 0) return;
  uintptr_t begin = reinterpret_cast<uintptr_t>(data);
  uintptr_t end = begin + bytes;
  auto smallest = static_cast<size_t>(unit);
  // Views of one array become one region.
  for (auto it = regions.begin(); it != regions.end();) {
    const Region& other = it->second;
    if (other.end() <= begin || end <= other.begin) {
      ++it;
      continue;
    }
    begin = std::min(begin, other.begin);
    end = std::max(end, other.end());
    smallest = std::min(smallest, other.unit);
    writeable |= other.writeable;
    it = regions.erase(it);
  }
  Region region{begin, end - begin, smallest, writeable, false, nullptr};
  region.make_cells();
  regions.emplace(begin, std::move(region));
  last_region = nullptr;
}

void shadow_forget_all() {
  regions.clear();
  last_region = nullptr;
}

void shadow_launch() {
  find_host_stack();
  first_block = block_number + 1;
  shared_region = {reinterpret_cast<uintptr_t>(launch_state.shared),
                   launch_state.shared_bytes,
                   kSharedUnit,
                   true,
                   true,
                   nullptr};
  shared_region.make_cells();
}

void shadow_block() {
  block_number++;
  readers.clear();
}
void shadow_barrier(int threads) { flush_access_log(threads); }

bool shadow_access(const void* address, size_t bytes, Access access,
                   const void* instruction) {
  if (!current) return true;  // the launch itself
  const auto at = reinterpret_cast<uintptr_t>(address);
  Region* region = find_region(at);
  const bool write = access != Access::read;
  if (!region) {
    if (own_memory(at)) return true;
    fault(std::string(write ? "write" : "read") + " of " +
          std::to_string(bytes) + " bytes outside of every array" +
          at_text(instruction));
    return false;
  }
  if (at + bytes > region->end()) {
    fault(std::string(write ? "write" : "read") + " of " +
          std::to_string(bytes) + " bytes beyond the end of " +
          place(*region, at) + at_text(instruction));
    return false;
  }
  if (write && !region->writeable)
    fault("write of an input, " + place(*region, at) + at_text(instruction));
  if (bytes <= 16 && at % bytes)
    fault("misaligned access of " + std::to_string(bytes) + " bytes" +
          at_text(instruction));
  if (access != Access::atomic)
    log_access(at, bytes, region->shared, instruction);
  if (region->shared) note_ordinary_access(address, bytes, write);
  Cell* cells = region->cells.get();
  const size_t first = (at - region->begin) / region->unit;
  const size_t last = (at - region->begin + bytes - 1) / region->unit;
  for (size_t i = first; i <= last; i++) {
    Cell& cell = cells[i];
    if (access == Access::atomic) {
      // Atomics are ordered among themselves; they count as initialisation.
      if (region->shared) cell.written.block = block_number;
      continue;
    }
    check_cell(*region, cell, region->begin + i * region->unit, write,
               instruction);
    if (write)
      cell.written = touch_now(instruction);
    else
      note_read(cell, instruction);
  }
  return true;
}

bool shadow_async_access(const void* address, size_t bytes, bool write) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  const size_t first = (at - shared_region.begin) / kSharedUnit;
  for (size_t i = first; i < first + bytes / kSharedUnit; i++) {
    Cell& cell = shared_region.cells.get()[i];
    const std::string where =
        place(shared_region, shared_region.begin + i * kSharedUnit);
    const Touch& old = cell.written;
    const bool ordinary = old.block == block_number && old.thread != kEngine;
    if (!write && old.block != block_number) {
      fault("product of " + where + ", which nothing wrote");
      return false;
    }
    if (unordered(cell, old, shared_region) ||
        (write && unordered(cell, cell.read, shared_region))) {
      fault("race: " + std::string(write ? "tile copy to " : "product of ") +
            where + ", earlier" + at_text(old.instruction));
      return false;
    }
    if (ordinary && proxy_fences_of(old.thread) == old.fences) {
      fault(std::string(write ? "tile copy to " : "product of ") + where +
            ", which thread " + std::to_string(old.thread) +
            " wrote and did not fence for the async proxy");
      return false;
    }
    if (write) {
      cell.written = touch_now(nullptr);
      cell.written.thread = kEngine;
    }
  }
  return true;
}

}  // namespace tw::cudasim
