#include "cudasim/ptx/kernels.hpp"

#include <map>
#include <stdexcept>
#include <utility>

namespace tw::cudasim::ptx {
namespace {

std::map<std::string, Kernel>& all() {
  static std::map<std::string, Kernel> kernels;
  return kernels;
}

}  // namespace

Registration::Registration(Kernel kernel) {
  std::string name = kernel.name;
  all().emplace(std::move(name), std::move(kernel));
}

const Kernel& find_kernel(const std::string& name) {
  const auto found = all().find(name);
  if (found == all().end()) throw std::out_of_range("no kernel " + name);
  return found->second;
}

}  // namespace tw::cudasim::ptx
