// The part of CUDA's run-time that nvcc's host code calls, over the simulator:
// what nvcc makes of kernel<<<...>>>(...) runs as it is, so the way of
// arguments into a kernel's parameters is nvcc's own.
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "cudasim/block.hpp"
#include "cudasim/ptx/kernels.hpp"
#include "cudasim/ptx/spaces.hpp"
#include "cudasim/tensor_map.hpp"

namespace tw::cudasim::ptx {
namespace {

// Of cudaError_t and cudaDeviceAttr (driver_types.h).
enum Status {
  kSuccess = 0,
  kInvalidValue = 1,
  kInvalidConfiguration = 9,
  kLaunchFailure = 719,
};
constexpr int kMajor = 75, kMinor = 76;  // of the compute capability
constexpr int kMultiprocessors = 16;
constexpr int kMaxDynamicSharedMemorySize = 8;  // cudaFuncAttribute

// What a block gets without being asked for more.
constexpr size_t kUsualSharedBytes = 48 << 10;

struct Function {
  std::string device_name;
  size_t most_shared_bytes = kUsualSharedBytes;
};

struct Call {
  dim3 grid, block;
  size_t shared_bytes;
  void* stream;
};

std::map<const void*, Function>& functions() {
  static std::map<const void*, Function> by_host_function;
  return by_host_function;
}

thread_local std::vector<Call> calls;
thread_local int last_error = kSuccess;
thread_local std::string error_text = "no error";

int fail(Status status, const std::string& text) {
  error_text = text;
  return last_error = status;
}

struct Run {
  const Kernel* kernel;
  const unsigned char* arguments;
};
void run(void* one) {
  const Run& r = *static_cast<Run*>(one);
  r.kernel->run(r.arguments);
}

int launch(const Function& function, const Call& call, void** arguments) {
  const Kernel& kernel = find_kernel(function.device_name);
  if (call.shared_bytes > function.most_shared_bytes)
    return fail(kInvalidValue,
                std::to_string(call.shared_bytes) +
                    " bytes of dynamic shared memory, of which cudaFunc"
                    "SetAttribute allowed " +
                    std::to_string(function.most_shared_bytes));
  const uint64_t threads = uint64_t{call.block.x} * call.block.y * call.block.z;
  if (kernel.most_threads && threads > kernel.most_threads)
    return fail(kInvalidConfiguration, "block of " + std::to_string(threads) +
                                           " threads, compiled " + "for " +
                                           std::to_string(kernel.most_threads));
  // A whole number of alignas(16): parameters may be structs of vectors.
  struct alignas(16) Block {
    unsigned char of[16];
  };
  std::vector<Block> memory(kernel.argument_bytes / sizeof(Block) + 1);
  unsigned char* packed = memory[0].of;
  for (size_t i = 0; i < kernel.arguments.size(); i++)
    std::memcpy(packed + kernel.arguments[i].offset, arguments[i],
                kernel.arguments[i].bytes);
  Run one{&kernel, packed};
  allow_device_variables();
  const std::string name = "kernel";
  try {
    run_grid(name.c_str(), run, &one, call.grid, call.block,
             kernel.static_shared_bytes + call.shared_bytes);
  } catch (const std::invalid_argument& error) {
    return fail(kInvalidConfiguration, error.what());
  } catch (const std::runtime_error& error) {
    // The launch names the kernel itself.
    return fail(kLaunchFailure,
                std::string(error.what()).substr(name.size() + 2));
  }
  return kSuccess;
}

// cuTensorMapEncodeTiled (cuda.h): into the CUtensorMap, which is larger, goes
// the simulator's.
int encode_tiled(void* map, int type, unsigned rank, void* data,
                 const uint64_t* extents, const uint64_t* pitches,
                 const unsigned* box, const unsigned* steps, int interleave,
                 int swizzle, int, int fill) {
  constexpr int kFloat32 = 7, kBfloat16 = 9;  // CUtensorMapDataType
  if ((type != kFloat32 && type != kBfloat16) || rank != 2 || interleave ||
      fill || swizzle > 3 || steps[0] != 1 || steps[1] != 1)
    return kInvalidValue;
  try {
    const TensorMap made = encode_tensor_map(
        data, type == kFloat32 ? 4 : 2, extents[0], extents[1], pitches[0],
        static_cast<int>(box[0]), static_cast<int>(box[1]),
        swizzle ? 16 << swizzle : 0);
    std::memcpy(map, &made, sizeof made);
  } catch (const std::invalid_argument&) {
    return kInvalidValue;
  }
  return kSuccess;
}

}  // namespace
}  // namespace tw::cudasim::ptx

using tw::cudasim::ptx::calls;
using tw::cudasim::ptx::Function;
using tw::cudasim::ptx::functions;

extern "C" {

void** __cudaRegisterFatBinary(void*) {
  static void* handle = nullptr;
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}

void __cudaRegisterFunction(void**, const char* host_function, char*,
                            const char* device_name, int, void*, void*, void*,
                            void*, int*) {
  functions()[host_function].device_name = device_name;
}

// Variables have their initial values from the PTX; no host code sets them.
void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int,
                       int) {}

int __cudaGetKernel(void** kernel, const void* host_function) {
  *kernel = &functions().at(host_function);
  return 0;
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_bytes,
                                     void* stream) {
  calls.push_back({grid, block, shared_bytes, stream});
  return 0;
}

int __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared_bytes,
                               void* stream) {
  const auto call = calls.back();
  calls.pop_back();
  *grid = call.grid;
  *block = call.block;
  *shared_bytes = call.shared_bytes;
  *static_cast<void**>(stream) = call.stream;
  return 0;
}

int __cudaLaunchKernel(void* kernel, dim3 grid, dim3 block, void** arguments,
                       size_t shared_bytes, void* stream) {
  return tw::cudasim::ptx::launch(*static_cast<Function*>(kernel),
                                  {grid, block, shared_bytes, stream},
                                  arguments);
}

int cudaFuncSetAttribute(const void* host_function, int attribute, int value) {
  namespace ptx = tw::cudasim::ptx;
  if (attribute != ptx::kMaxDynamicSharedMemorySize)
    return ptx::fail(ptx::kInvalidValue, "unknown attribute of a function");
  functions().at(host_function).most_shared_bytes = static_cast<size_t>(value);
  return 0;
}

int cudaGetLastError() {
  const int status = tw::cudasim::ptx::last_error;
  tw::cudasim::ptx::last_error = 0;
  return status;
}
const char* cudaGetErrorString(int) {
  return tw::cudasim::ptx::error_text.c_str();
}

int cudaGetDevice(int* device) {
  *device = 0;
  return 0;
}
// The architecture that the kernels were compiled for, or Hopper, for which
// those are that need it.
int cudaDeviceGetAttribute(int* value, int attribute, int) {
  namespace ptx = tw::cudasim::ptx;
  const auto& c = tw::cudasim::configuration;
  const int architecture = c.hopper ? 90 : TW_CUDASIM_ARCHITECTURE;
  if (attribute == ptx::kMajor)
    *value = architecture / 10;
  else if (attribute == ptx::kMinor)
    *value = architecture % 10;
  else if (attribute == ptx::kMultiprocessors)
    *value = c.multiprocessors;
  else
    return ptx::fail(ptx::kInvalidValue, "unknown attribute of a device");
  return 0;
}

// Of the driver's functions the one that makes tensor maps.
int cudaGetDriverEntryPointByVersion(const char* name, void** function,
                                     unsigned, unsigned long long, int* found) {
  *found = 0;
  if (std::strcmp(name, "cuTensorMapEncodeTiled") != 0) {
    *found = 1;  // not found
    return 0;
  }
  *function = reinterpret_cast<void*>(&tw::cudasim::ptx::encode_tiled);
  return 0;
}

}  // extern "C"
