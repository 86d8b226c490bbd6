#include "bindings/arrays.h"
#include "bindings/module.h"
#include "cpu/roofline.h"

namespace tw::bindings {

void bind_roofline(py::module_& m) {
  m.def("peak_flops", &cpu::peak_flops, py::arg("seconds"),
        py::call_guard<py::gil_scoped_release>());
  m.def("copy_bandwidth", &cpu::copy_bandwidth, py::arg("bytes"),
        py::arg("streaming"), py::arg("seconds"),
        py::call_guard<py::gil_scoped_release>());
}

}  // namespace tw::bindings
