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

// Several threads: of one warp (the warp's number is added), or of any.
constexpr uint16_t kSeveralOfWarp = 0x8000;
constexpr uint16_t kSeveral = 0xffff;
// The copy engine.
constexpr uint16_t kEngine = 0xfffe;

// When somebody touched a unit of memory.
struct Touch {
  uint32_t block;  // 0: nobody
  uint32_t barrier;
  uint16_t thread, warp_sync;
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
uint16_t warp_syncs[kMostWarps];
// Who read what several threads read since it was written, for blocks where
// that can be over for one thread and not for another.
struct Reader {
  uint32_t barrier;
  int thread;
  uint32_t clock;
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

// Whether the current thread knows that all who read a cell have done so.
bool knows_readers(const Cell& cell) {
  const auto found = readers.find(&cell);
  if (found == readers.end()) return false;
  for (const Reader& reader : found->second)
    if (reader.barrier == launch_state.barriers &&
        reader.thread != current->linear &&
        !knows(current->linear, reader.thread, reader.clock))
      return false;
  return true;
}

// Whether nothing orders an earlier access before the current thread's.
bool unordered(const Cell& cell, const Touch& touch, const Region& region) {
  if (touch.block < first_block) return false;
  if (touch.block != block_number) return !region.shared;
  if (touch.barrier != launch_state.barriers) return false;
  if (touch.thread == current->linear || touch.thread == kEngine) return false;
  if (order_is_partial() &&
      (touch.thread < kMostThreads
           ? knows(current->linear, touch.thread, touch.clock)
           : knows_readers(cell)))
    return false;
  if (touch.thread == kSeveral) return true;
  const int warp = touch.thread & kSeveralOfWarp
                       ? touch.thread & ~kSeveralOfWarp
                       : touch.thread / kWarp;
  return warp != current->warp || touch.warp_sync == warp_syncs[warp];
}

Touch touch_now(const void* instruction) {
  return {block_number,
          launch_state.barriers,
          static_cast<uint16_t>(current->linear),
          warp_syncs[current->warp],
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
  const bool same_period = old.block == block_number &&
                           old.barrier == launch_state.barriers &&
                           old.thread != current->linear;
  if (!same_period) return;
  if (order_is_partial()) {
    auto& known = readers[&cell];
    if (old.thread < kMostThreads)
      known = {{old.barrier, old.thread, old.clock}};
    known.push_back({cell.read.barrier, cell.read.thread, cell.read.clock});
  }
  const int warp = old.thread == kSeveral        ? -1
                   : old.thread & kSeveralOfWarp ? old.thread & ~kSeveralOfWarp
                                                 : old.thread / kWarp;
  cell.read.thread = warp == current->warp
                         ? static_cast<uint16_t>(kSeveralOfWarp | warp)
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
void shadow_warp_sync() { warp_syncs[current->warp]++; }

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
