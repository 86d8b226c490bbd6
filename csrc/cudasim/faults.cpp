#include "cudasim/faults.hpp"

#include <stdexcept>
#include <vector>

#include "cudasim/block.hpp"

namespace tw::cudasim {
namespace {

constexpr size_t kMostListed = 8;

size_t count = 0;
std::vector<std::string> listed;

std::string place() {
  const uint3 b = launch_state.block_index;
  std::string result = "block (" + std::to_string(b.x) + ", " +
                       std::to_string(b.y) + ", " + std::to_string(b.z) + ")";
  if (current) result += " thread " + std::to_string(current->linear);
  return result;
}

}  // namespace

std::string text(const Site& site) {
  const std::string file = site.file;
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(site.line);
}

void fault(const std::string& message) {
  if (count++ < kMostListed) listed.push_back(place() + ": " + message);
}

void clear_faults() {
  count = 0;
  listed.clear();
}

void throw_faults(const char* kernel) {
  if (count == 0) return;
  std::string message = std::string(kernel) + ": " + std::to_string(count) +
                        (count == 1 ? " fault" : " faults");
  for (const std::string& line : listed) message += "\n  " + line;
  throw std::runtime_error(message);
}

}  // namespace tw::cudasim
