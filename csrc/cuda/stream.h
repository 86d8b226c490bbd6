// A CUDA stream, for those who include no CUDA header: cudaStream_t is the same
// type.
#pragma once

struct CUstream_st;

namespace tw::cuda {

using Stream = CUstream_st*;

}  // namespace tw::cuda
