#include "cudasim/module_range.hpp"

#include <link.h>

#include <cstdio>

namespace tw::cudasim {
namespace {

struct Range {
  uintptr_t base = 0, begin = 0, end = 0;
};

const char anchor = 0;  // lies in the module

int look_at(dl_phdr_info* info, size_t, void* result) {
  auto& range = *static_cast<Range*>(result);
  const auto here = reinterpret_cast<uintptr_t>(&anchor);
  uintptr_t begin = UINTPTR_MAX, end = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    const uintptr_t at = info->dlpi_addr + header.p_vaddr;
    if (at < begin) begin = at;
    if (at + header.p_memsz > end) end = at + header.p_memsz;
  }
  if (here < begin || here >= end) return 0;
  range = {info->dlpi_addr, begin, end};
  return 1;
}

const Range& own_range() {
  static const Range range = [] {
    Range found;
    dl_iterate_phdr(look_at, &found);
    return found;
  }();
  return range;
}

}  // namespace

bool in_own_module(uintptr_t address) {
  return address >= own_range().begin && address < own_range().end;
}

std::string instruction_text(const void* instruction) {
  char text[64];
  std::snprintf(text, sizeof text, "+0x%zx",
                static_cast<size_t>(reinterpret_cast<uintptr_t>(instruction) -
                                    own_range().base));
  return text;
}

}  // namespace tw::cudasim
