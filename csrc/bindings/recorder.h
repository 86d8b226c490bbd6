// Recording of kernel calls into a Program (cpu/program.h), by thread.
#pragma once

#include <memory>
#include <vector>

#include "bindings/arrays.h"
#include "cpu/program.h"

namespace tw::bindings {

struct Recorder {
  // Null where this thread records nothing.
  static Recorder*& current() {
    static thread_local Recorder* recorder = nullptr;
    return recorder;
  }

  std::shared_ptr<cpu::Program> program = std::make_shared<cpu::Program>();
  // What kernels made is kept, or its memory would serve a second array.
  std::vector<py::object> made;
};

// Adds a problem that has just been run to what this thread records.
template <class Problem>
void record(void (*function)(const Problem&), const Problem& problem) {
  if (Recorder* recorder = Recorder::current())
    recorder->program->add(function, problem);
}

// Runs a kernel without the interpreter's lock, and records it.
template <class Problem>
void call(void (*function)(const Problem&), const Problem& problem) {
  {
    const py::gil_scoped_release release;
    function(problem);
  }
  record(function, problem);
}

// The same for what takes less than giving the lock back and taking it again.
template <class Problem>
void call_locked(void (*function)(const Problem&), const Problem& problem) {
  function(problem);
  record(function, problem);
}

}  // namespace tw::bindings
