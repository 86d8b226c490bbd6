// What a kernel did wrong, collected over a launch and thrown at its end.
#pragma once

#include <string>

namespace tw::cudasim {

// Where in the source something happened; of one call site there is one.
struct Site {
  const char* file;
  int line;
};
inline bool operator==(const Site& a, const Site& b) {
  return a.line == b.line && a.file == b.file;
}
std::string text(const Site& site);

// Notes a fault of the current thread, or of the block where none runs.
void fault(const std::string& message);

void clear_faults();
// Throws std::runtime_error that lists the first faults, if there are any.
void throw_faults(const char* kernel);

}  // namespace tw::cudasim
