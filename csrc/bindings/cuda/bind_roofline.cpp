#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cuda/roofline/roofline.h"

namespace tw::bindings::cuda {
namespace {

using tw::cuda::Unit;

Unit parse_unit(const std::string& name) {
  if (name == "fp32") return Unit::fp32;
  if (name == "tf32") return Unit::tf32;
  if (name == "bf16") return Unit::bf16;
  throw std::invalid_argument("unknown unit '" + name + "'");
}

double multiply_add(const std::string& unit, int blocks, int steps,
                    const Memory& out, uintptr_t stream) {
  expect(blocks > 0 && steps > 0, "multiply_add: blocks and steps must be > 0");
  const Unit parsed = parse_unit(unit);
  float* data = write(out, "out", int64_t{blocks} * tw::cuda::kRooflineThreads);
  double flops = 0;
  call([&] {
    flops =
        tw::cuda::multiply_add(parsed, blocks, steps, data, stream_of(stream));
  });
  return flops;
}

}  // namespace

void bind_roofline(py::module_& m) { m.def("multiply_add", &multiply_add); }

}  // namespace tw::bindings::cuda
