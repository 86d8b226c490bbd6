// Whether a kernel is being compiled for Blackwell (sm_100, sm_120), where some
// need a few registers more than ptxas takes by its own choice, or than two
// blocks leave: they would spill, and ask for room for one block instead.
#pragma once

namespace tw::cuda {

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr bool kBlackwell = true;
#else
constexpr bool kBlackwell = false;
#endif

}  // namespace tw::cuda
