// The instruction sets this build holds and this machine can run, and the one
// in force. Chosen by CPUID and XGETBV (the operating system must save the wide
// registers too), never by vendor name; TILEWRIGHT_ISA forces a lower one.
#pragma once

#include <string>
#include <vector>

namespace tw::cpu {

// Ordered: a machine in force at one level may run any kernel of a lower one.
enum class Isa { ref = 0, neon = 1, avx2 = 2, avx512 = 3 };

const char* isa_name(Isa isa);

// Best first; always ends with Isa::ref.
const std::vector<Isa>& available_isas();

Isa isa_in_force();

// Throws std::invalid_argument where the name is unknown or not available.
void set_isa(const std::string& name);

}  // namespace tw::cpu
