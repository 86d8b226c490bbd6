// In translated PTX an instruction is known by its Site, not by its address.
#include "cudasim/faults.hpp"
#include "cudasim/module_range.hpp"

namespace tw::cudasim {

// No kernel here touches memory of the module itself, but for variables that
// the shadow memory knows (ptx/spaces.hpp).
bool in_own_module(uintptr_t) { return false; }

std::string instruction_text(const void* instruction) {
  return text(*static_cast<const Site*>(instruction));
}

}  // namespace tw::cudasim
