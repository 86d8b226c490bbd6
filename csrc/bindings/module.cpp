// The extension tilewright._cpu: one bind_<family> each.
#include "bindings/module.h"

PYBIND11_MODULE(_cpu, m) {
  m.doc() = "CPU kernels of tilewright; use them through tilewright.kernels.";
  tw::bindings::bind_runtime(m);
  tw::bindings::bind_gemm(m);
  tw::bindings::bind_conv2d(m);
  tw::bindings::bind_conv2d_max_pool2d(m);
  tw::bindings::bind_pool2d(m);
  tw::bindings::bind_softmax_cross_entropy(m);
  tw::bindings::bind_batch_norm(m);
  tw::bindings::bind_adam(m);
  tw::bindings::bind_sgd(m);
  tw::bindings::bind_rmsprop(m);
  tw::bindings::bind_elementwise(m);
  tw::bindings::bind_elementwise_loss(m);
  tw::bindings::bind_gradient_clipping(m);
  tw::bindings::bind_gather(m);
  tw::bindings::bind_program(m);
  tw::bindings::bind_roofline(m);
}
