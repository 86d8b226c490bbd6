// PTX's state spaces: where an address leads, if it leads anywhere.
//
// Addresses of global, local, constant and parameter memory are those of the
// host's memory, so that generic addressing needs nothing of its own. Shared
// memory has a window of addresses, as on a GPU. Each access is checked for its
// bounds and alignment and goes through the shadow memory; one that must not be
// made is a fault and is made elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cudasim/faults.hpp"
#include "cudasim/shadow.hpp"
#include "cudasim/tensor_map.hpp"

namespace tw::cudasim::ptx {

constexpr uint32_t kSharedBase = 1024;  // no shared address is 0

inline uint64_t address_of(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
}
inline void* pointer_to(uint64_t address) {
  return reinterpret_cast<void*>(address);
}
uint64_t generic_of_shared(uint64_t address);
uint64_t shared_of_generic(uint64_t address);

void* global_pointer(uint64_t address, size_t bytes, Access access,
                     const Site& site);
void* shared_pointer(uint64_t address, size_t bytes, Access access,
                     const Site& site);
// For instructions that tell the shadow memory themselves.
void* shared_place(uint64_t address, size_t bytes, const Site& site);
inline uint64_t* mbarrier_at(uint64_t address, const Site& site) {
  return static_cast<uint64_t*>(shared_place(address, 8, site));
}
// In a kernel's parameters, as cudart.cpp makes it.
inline const TensorMap& tensor_map_at(uint64_t address) {
  return *static_cast<const TensorMap*>(pointer_to(address));
}
// Within the `size` bytes from `begin`: a thread's own, so nothing can race.
const void* param_pointer(const void* begin, size_t size, uint64_t address,
                          size_t bytes, Access access, const Site& site);
void* local_pointer(void* begin, size_t size, uint64_t address, size_t bytes,
                    Access access, const Site& site);
const void* const_pointer(uint64_t address, size_t bytes, Access access,
                          const Site& site);

// A variable of a file, in global or constant memory.
class DeviceVariable {
 public:
  DeviceVariable(void* begin, size_t bytes, bool writeable);
};
// Lets the next launch touch the global ones.
void allow_device_variables();

// ---- Atomics: threads run one at a time ----

template <class T, class Change>
T atomic_change(T* at, Change change) {
  const T old = *at;
  *at = change(old);
  return old;
}
template <class T>
T atomic_add(T* at, T value) {
  return atomic_change(at, [=](T old) { return static_cast<T>(old + value); });
}
template <class T>
T atomic_min(T* at, T value) {
  return atomic_change(at, [=](T old) { return value < old ? value : old; });
}
template <class T>
T atomic_max(T* at, T value) {
  return atomic_change(at, [=](T old) { return old < value ? value : old; });
}
template <class T>
T atomic_and(T* at, T value) {
  return atomic_change(at, [=](T old) { return static_cast<T>(old & value); });
}
template <class T>
T atomic_or(T* at, T value) {
  return atomic_change(at, [=](T old) { return static_cast<T>(old | value); });
}
template <class T>
T atomic_xor(T* at, T value) {
  return atomic_change(at, [=](T old) { return static_cast<T>(old ^ value); });
}
template <class T>
T atomic_exch(T* at, T value) {
  return atomic_change(at, [=](T) { return value; });
}
template <class T>
T atomic_cas(T* at, T expected, T value) {
  return atomic_change(at,
                       [=](T old) { return old == expected ? value : old; });
}

}  // namespace tw::cudasim::ptx
