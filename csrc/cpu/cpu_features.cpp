#include "cpu/cpu_features.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tw::cpu {
namespace {

#if defined(__x86_64__)
// The register state that the operating system saves at a context switch.
uint64_t saved_state() {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

std::vector<Isa> detect() {
  std::vector<Isa> found;
  unsigned a, b, c, d;
  bool os_saves_registers = false, fma = false;
  if (__get_cpuid(1, &a, &b, &c, &d)) {
    os_saves_registers = c & bit_OSXSAVE;
    fma = c & bit_FMA;
  }
  const uint64_t state = os_saves_registers ? saved_state() : 0;
  const bool ymm = (state & 0x6) == 0x6;
  const bool zmm = (state & 0xe6) == 0xe6;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && ymm && fma) {
    const unsigned wide =
        bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    const bool avx2 = b & bit_AVX2;
    if (avx2 && zmm && (b & wide) == wide) found.push_back(Isa::avx512);
    if (avx2) found.push_back(Isa::avx2);
  }
  found.push_back(Isa::ref);
  return found;
}
#elif defined(__aarch64__)
std::vector<Isa> detect() { return {Isa::neon, Isa::ref}; }
#else
std::vector<Isa> detect() { return {Isa::ref}; }
#endif

Isa parse(const std::string& name) {
  std::string allowed;
  for (Isa isa : available_isas()) {
    if (name == isa_name(isa)) return isa;
    allowed += std::string(allowed.empty() ? "" : ", ") + isa_name(isa);
  }
  throw std::invalid_argument(
      "isa: '" + name +
      "' is not available on this machine (available: " + allowed + ")");
}

// An unusable TILEWRIGHT_ISA must not keep the module from loading: the best
// available set runs, and `tilewright info` shows which.
Isa initial() {
  if (const char* wanted = std::getenv("TILEWRIGHT_ISA")) {
    for (Isa isa : available_isas())
      if (std::string(wanted) == isa_name(isa)) return isa;
  }
  return available_isas().front();
}

std::atomic<Isa>& state() {
  static std::atomic<Isa> isa{initial()};
  return isa;
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx512: return "avx512";
    case Isa::avx2: return "avx2";
    case Isa::neon: return "neon";
    case Isa::ref: break;
  }
  return "ref";
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

Isa isa_in_force() { return state().load(std::memory_order_relaxed); }

void set_isa(const std::string& name) { state().store(parse(name)); }

}  // namespace tw::cpu
