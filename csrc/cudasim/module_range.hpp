// Where in memory the module with the simulator lies.
#pragma once

#include <cstdint>
#include <string>

namespace tw::cudasim {

bool in_own_module(uintptr_t address);
// "+0x...": an address for addr2line over the module's file.
std::string instruction_text(const void* instruction);

}  // namespace tw::cudasim
