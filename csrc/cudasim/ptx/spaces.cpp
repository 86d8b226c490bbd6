#include "cudasim/ptx/spaces.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "cudasim/block.hpp"

namespace tw::cudasim::ptx {
namespace {

struct Range {
  unsigned char* begin;
  size_t bytes;
  bool writeable;
};

std::vector<Range>& device_variables() {
  static std::vector<Range> list;
  return list;
}

std::string access_text(Access access, size_t bytes) {
  return (access == Access::read ? "read of " : "write of ") +
         std::to_string(bytes) + " bytes ";
}

std::string at_text(const Site& site) {
  return " (instruction " + text(site) + ")";
}

// What an access finds that leads nowhere.
void* instead() {
  alignas(16) static unsigned char memory[16];
  std::memset(memory, 0xff, sizeof memory);
  return memory;
}

// Bounds and alignment of memory that nobody shares.
bool fits(const void* begin, size_t size, uint64_t address, size_t bytes,
          Access access, const char* what, const Site& site) {
  const uint64_t offset = address - address_of(begin);
  if (offset > size || bytes > size - offset) {
    fault(access_text(access, bytes) + "outside of the " +
          std::to_string(size) + " bytes of " + what + at_text(site));
    return false;
  }
  if (address % bytes) {
    fault("misaligned " + access_text(access, bytes) + "of " + what +
          at_text(site));
    return false;
  }
  return true;
}

}  // namespace

uint64_t generic_of_shared(uint64_t address) {
  return address_of(launch_state.shared) + address - kSharedBase;
}
uint64_t shared_of_generic(uint64_t address) {
  return address - address_of(launch_state.shared) + kSharedBase;
}

void* global_pointer(uint64_t address, size_t bytes, Access access,
                     const Site& site) {
  void* pointer = pointer_to(address);
  return shadow_access(pointer, bytes, access, &site) ? pointer : instead();
}

void* shared_place(uint64_t address, size_t bytes, const Site& site) {
  const uint64_t offset = address - kSharedBase;
  const size_t size = launch_state.shared_bytes;
  if (offset <= size && bytes <= size - offset)
    return launch_state.shared + offset;
  fault("access of " + std::to_string(bytes) + " bytes outside of the " +
        std::to_string(size) + " bytes of shared memory" + at_text(site));
  return instead();
}

void* shared_pointer(uint64_t address, size_t bytes, Access access,
                     const Site& site) {
  void* place = shared_place(address, bytes, site);
  const bool right =
      place != instead() && shadow_access(place, bytes, access, &site);
  return right ? place : instead();
}

const void* param_pointer(const void* begin, size_t size, uint64_t address,
                          size_t bytes, Access access, const Site& site) {
  return fits(begin, size, address, bytes, access, "parameters", site)
             ? pointer_to(address)
             : instead();
}

void* local_pointer(void* begin, size_t size, uint64_t address, size_t bytes,
                    Access access, const Site& site) {
  return fits(begin, size, address, bytes, access, "local memory", site)
             ? pointer_to(address)
             : instead();
}

const void* const_pointer(uint64_t address, size_t bytes, Access access,
                          const Site& site) {
  for (const Range& range : device_variables())
    if (address - address_of(range.begin) < range.bytes)
      return fits(range.begin, range.bytes, address, bytes, access,
                  "a constant", site)
                 ? pointer_to(address)
                 : instead();
  fault(access_text(access, bytes) + "outside of every constant" +
        at_text(site));
  return instead();
}

DeviceVariable::DeviceVariable(void* begin, size_t bytes, bool writeable) {
  device_variables().push_back(
      {static_cast<unsigned char*>(begin), bytes, writeable});
}

void allow_device_variables() {
  for (const Range& range : device_variables())
    if (range.writeable) shadow_allow(range.begin, range.bytes, 1, true);
}

}  // namespace tw::cudasim::ptx
