#include "cudasim/access_log.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "cudasim/block.hpp"
#include "cudasim/module_range.hpp"
#include "cudasim/shadow.hpp"

namespace tw::cudasim {
namespace {

constexpr uintptr_t kBanks = 32, kWordBytes = 4, kSectorBytes = 32;

struct Record {
  const void* instruction;
  uintptr_t address;
  uint16_t bytes, lane;
  bool shared;
};
using Records = std::vector<Record>;

bool counting = false;
AccessCounts counts{};
std::map<const void*, AccessCounts> counts_by_instruction;
Records logs[kMostThreads];

// The distinct pieces of `size` bytes that some accesses touch.
std::vector<uintptr_t> pieces(const Record* begin, const Record* end,
                              uintptr_t size) {
  std::vector<uintptr_t> result;
  for (const Record* r = begin; r != end; r++)
    for (uintptr_t p = r->address / size;
         p <= (r->address + r->bytes - 1) / size; p++)
      result.push_back(p);
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

void add(const void* instruction, const AccessCounts& more) {
  for (AccessCounts* sum : {&counts, &counts_by_instruction[instruction]}) {
    sum->shared_wavefronts += more.shared_wavefronts;
    sum->shared_ideal += more.shared_ideal;
    sum->global_sectors += more.global_sectors;
    sum->global_ideal += more.global_ideal;
  }
}

// One instruction of a warp: a record from each lane that took part.
void count_shared(const Records& request) {
  const int at_once = request[0].bytes <= 4   ? 32
                      : request[0].bytes <= 8 ? 16
                                              : 8;
  for (size_t begin = 0, end; begin < request.size(); begin = end) {
    const int part = request[begin].lane / at_once;
    for (end = begin; end < request.size(); end++)
      if (request[end].lane / at_once != part) break;
    uint64_t in_bank[kBanks] = {}, most = 0;
    for (uintptr_t word :
         pieces(&request[begin], request.data() + end, kWordBytes))
      most = std::max(most, ++in_bank[word % kBanks]);
    add(request[0].instruction, {most, 1, 0, 0});
  }
}

void count_global(const Records& request) {
  const Record* begin = request.data();
  const Record* end = begin + request.size();
  const uint64_t words = pieces(begin, end, kWordBytes).size();
  add(begin->instruction,
      {0, 0, pieces(begin, end, kSectorBytes).size(),
       (words * kWordBytes + kSectorBytes - 1) / kSectorBytes});
}

// Accesses of a warp's lanes belong together if they are the same occurrence
// of the same instruction. An asynchronous copy is two, of which some lanes may
// do the second alone: zeros are written, but not read.
void count_warp(int first, int lanes) {
  using Access = std::pair<const void*, bool>;
  std::map<std::pair<Access, int>, Records> requests;
  for (int lane = 0; lane < lanes; lane++) {
    std::map<Access, int> occurrences;
    for (const Record& record : logs[first + lane]) {
      const Access access(record.instruction, record.shared);
      requests[{access, occurrences[access]++}].push_back(record);
    }
  }
  for (const auto& [key, request] : requests)
    request[0].shared ? count_shared(request) : count_global(request);
}

}  // namespace

void log_access(uintptr_t address, size_t bytes, bool shared,
                const void* instruction) {
  if (!counting) return;
  logs[current->linear].push_back(
      {instruction, address, static_cast<uint16_t>(bytes),
       static_cast<uint16_t>(current->lane), shared});
}

void flush_access_log(int threads) {
  if (!counting) return;
  for (int first = 0; first < threads; first += kWarp)
    count_warp(first, std::min(kWarp, threads - first));
  for (int i = 0; i < threads; i++) logs[i].clear();
}

void count_accesses(bool on) {
  counting = on;
  if (!on) return;
  counts = {};
  counts_by_instruction.clear();
}

AccessCounts access_counts() { return counts; }

std::vector<std::pair<std::string, AccessCounts>> access_counts_of_each() {
  std::vector<std::pair<std::string, AccessCounts>> result;
  for (const auto& [instruction, of_it] : counts_by_instruction)
    result.emplace_back(instruction_text(instruction), of_it);
  return result;
}

}  // namespace tw::cudasim
