#pragma once

#include <pybind11/pybind11.h>

namespace tw::bindings {

void bind_runtime(pybind11::module_& m);
void bind_gemm(pybind11::module_& m);
void bind_conv2d(pybind11::module_& m);
void bind_conv2d_max_pool2d(pybind11::module_& m);
void bind_pool2d(pybind11::module_& m);
void bind_softmax_cross_entropy(pybind11::module_& m);
void bind_batch_norm(pybind11::module_& m);
void bind_adam(pybind11::module_& m);
void bind_sgd(pybind11::module_& m);
void bind_rmsprop(pybind11::module_& m);
void bind_elementwise(pybind11::module_& m);
void bind_elementwise_loss(pybind11::module_& m);
void bind_gradient_clipping(pybind11::module_& m);
void bind_gather(pybind11::module_& m);
void bind_program(pybind11::module_& m);
void bind_roofline(pybind11::module_& m);

}  // namespace tw::bindings
