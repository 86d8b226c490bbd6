// The translated kernels, by the names that nvcc gives them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tw::cudasim::ptx {

struct Argument {
  size_t offset, bytes;
};

struct Kernel {
  std::string name;
  void (*run)(const unsigned char* arguments);
  std::vector<Argument> arguments;  // as they lie in memory
  size_t argument_bytes;
  size_t static_shared_bytes;
  unsigned most_threads;  // of a block (__launch_bounds__); 0: not stated
};

// Makes a kernel known when its module is loaded.
class Registration {
 public:
  explicit Registration(Kernel kernel);
};

// Throws std::out_of_range where no kernel has the name.
const Kernel& find_kernel(const std::string& name);

}  // namespace tw::cudasim::ptx
