// Recording a training step and running it again. Memory safety rests on
// plan(), which refuses arrays it does not know; those that were named are kept
// alive for as long as the program.
#include <pybind11/stl.h>

#include <stdexcept>

#include "bindings/module.h"
#include "bindings/recorder.h"

namespace tw::bindings {
namespace {

struct Span {
  const void* begin;
  int64_t bytes;
};

Span span_of(const py::array& array) {
  expect((array.flags() & py::array::c_style) != 0,
         "program: expected a C-contiguous array");
  return {array.data(), static_cast<int64_t>(array.nbytes())};
}

// A finished recording.
struct Replay {
  std::shared_ptr<cpu::Program> program;
  std::vector<py::array> inputs;  // of the recording: dtype and shape
  std::vector<py::array> known;   // kept alive
  std::vector<py::array> kept;    // views of the arena
  std::vector<py::array> set;     // the inputs in force, kept alive

  // False where an input holds what a kernel refuses.
  bool set_inputs(const std::vector<py::array>& arrays) {
    expect(arrays.size() == inputs.size(), "program: wrong number of inputs");
    for (size_t i = 0; i < arrays.size(); i++) {
      expect_shape(arrays[i], "program: input", shape_of(inputs[i]));
      if (!arrays[i].dtype().equal(inputs[i].dtype()))
        throw py::type_error("program: an input is of another dtype");
      program->set_input(static_cast<int>(i), span_of(arrays[i]).begin);
    }
    set = arrays;
    return program->inputs_valid();
  }

  void run() {
    expect(!set.empty(), "program: no inputs");
    const py::gil_scoped_release release;
    program->run();
  }

  // (kernel, algorithm, seconds) of each call.
  py::list run_timed() {
    expect(!set.empty(), "program: no inputs");
    std::vector<cpu::Program::CallTime> times;
    {
      const py::gil_scoped_release release;
      times = program->run_timed();
    }
    py::list result;
    for (const cpu::Program::CallTime& time : times)
      result.append(py::make_tuple(time.kernel.family, time.kernel.algorithm,
                                   time.seconds));
    return result;
  }

  // The size of each call of dropout and its two numbers.
  py::list dropouts() const {
    py::list result;
    for (const cpu::Dropout& d : program->dropouts())
      result.append(py::make_tuple(d.count, d.seed, d.offset));
    return result;
  }
};

void start() {
  expect(!Recorder::current(), "program: already recording");
  Recorder::current() = new Recorder;
}

void stop() {
  delete Recorder::current();
  Recorder::current() = nullptr;
}

void plan(Replay& replay, const std::vector<py::array>& kept) {
  for (const py::array& array : replay.inputs) {
    const Span span = span_of(array);
    replay.program->input(span.begin, span.bytes);
  }
  for (const py::array& array : replay.known) {
    const Span span = span_of(array);
    replay.program->know(span.begin, span.bytes);
  }
  for (const py::array& array : kept)
    expect(replay.program->keep(array.data()),
           "a result was not made by a kernel");
  const std::vector<void*> places = replay.program->plan();
  for (size_t i = 0; i < kept.size(); i++) {
    // The arena lives for as long as one of its arrays does.
    auto* holder = new std::shared_ptr<cpu::Program>(replay.program);
    const py::capsule owner(holder, [](void* pointer) {
      delete static_cast<std::shared_ptr<cpu::Program>*>(pointer);
    });
    replay.kept.push_back(
        py::array(kept[i].dtype(), shape_of(kept[i]), places[i], owner));
  }
}

// The replay; or, where the recording cannot be replayed, a string: why not.
py::object finish(const std::vector<py::array>& inputs,
                  const std::vector<py::array>& known,
                  const std::vector<py::array>& kept) {
  expect(Recorder::current() != nullptr, "program: nothing is recorded");
  const std::unique_ptr<Recorder> recorder(Recorder::current());
  Recorder::current() = nullptr;
  auto replay = std::make_shared<Replay>();
  replay->program = recorder->program;
  replay->inputs = inputs;
  replay->known = known;
  try {
    plan(*replay, kept);
  } catch (const std::invalid_argument& error) {
    return py::str(error.what());
  }
  return py::cast(replay);
}

}  // namespace

void bind_program(py::module_& m) {
  using py::arg;
  py::class_<Replay, std::shared_ptr<Replay>>(m, "Replay")
      .def("set_inputs", &Replay::set_inputs, arg("inputs"))
      .def("run", &Replay::run)
      .def("run_timed", &Replay::run_timed)
      .def_property_readonly("dropouts", &Replay::dropouts)
      .def_property_readonly("kept", [](const Replay& r) { return r.kept; })
      .def_property_readonly("calls",
                             [](const Replay& r) { return r.program->calls(); })
      .def_property_readonly(
          "arena_bytes",
          [](const Replay& r) { return r.program->arena_bytes(); })
      .def_property_readonly(
          "unshared_bytes",
          [](const Replay& r) { return r.program->unshared_bytes(); })
      .def(
          "set_adam",
          [](Replay& r, int index, int64_t step, double lr, double beta1,
             double beta2, double eps, double weight_decay) {
            r.program->set_adam(index, step, lr, beta1, beta2, eps,
                                weight_decay);
          },
          arg("index"), arg("step"), arg("lr"), arg("beta1"), arg("beta2"),
          arg("eps"), arg("weight_decay"))
      .def(
          "set_sgd",
          [](Replay& r, int index, double lr, double momentum,
             double weight_decay) {
            r.program->set_sgd(index, lr, momentum, weight_decay);
          },
          arg("index"), arg("lr"), arg("momentum"), arg("weight_decay"))
      .def(
          "set_rmsprop",
          [](Replay& r, int index, double lr, double alpha, double eps,
             double weight_decay, double momentum) {
            r.program->set_rmsprop(
                index, rmsprop_coefficients(lr, alpha, eps, weight_decay,
                                            momentum, false));
          },
          arg("index"), arg("lr"), arg("alpha"), arg("eps"),
          arg("weight_decay"), arg("momentum"))
      .def(
          "set_adagrad",
          [](Replay& r, int index, double lr, double eps, double weight_decay) {
            r.program->set_rmsprop(
                index, adagrad_coefficients(lr, eps, weight_decay, false));
          },
          arg("index"), arg("lr"), arg("eps"), arg("weight_decay"))
      .def(
          "set_dropout",
          [](Replay& r, int index, uint64_t seed, uint64_t offset) {
            r.program->set_dropout(index, seed, offset);
          },
          arg("index"), arg("seed"), arg("offset"));
  m.def("program_start", &start);
  m.def("program_stop", &stop);
  m.def("program_finish", &finish, arg("inputs"), arg("known"), arg("kept"));
}

}  // namespace tw::bindings
