// How planted kernels are started.
#pragma once

#include "cuda/launch.hpp"
#include "planted.h"

namespace planted {

template <class... Parameters, class... Arguments>
void start_kernel(const Entry& entry, const Call& call,
                  void (*kernel)(Parameters...),
                  const Arguments&... arguments) {
  tw::cuda::launch(entry.name, kernel, dim3(static_cast<unsigned>(call.blocks)),
                   dim3(static_cast<unsigned>(call.threads)),
                   entry.shared_bytes, nullptr, arguments...);
}

template <Kernel kKernel>
void start(const Entry& entry, const Call& call) {
  start_kernel(entry, call, kKernel, call.in, call.out, call.n);
}

}  // namespace planted
