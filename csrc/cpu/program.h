// A recorded sequence of kernel calls, run again as one call: the training step
// of compile_step. While a program is recorded, each binding adds the problem
// that it has just run; the arrays that it made in between are the program's
// own (the caller keeps them until plan()). plan() gives these arrays places in
// one arena, where those whose lives do not overlap share memory (largest
// first, each at the lowest offset that is free for the whole of its life), and
// points the problems there. After that a run allocates no array at all.
//
// Only kernels are recorded. Whatever else computes between them would be lost,
// so plan() refuses a problem that reads an array of unknown origin.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cpu/algorithm.h"
#include "cpu/program_arrays.h"

namespace tw::cpu {

class Program {
 public:
  Program();
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  template <class Problem>
  void add(void (*function)(const Problem&), const Problem& problem) {
    calls_.push_back(std::make_unique<CallOf<Problem>>(function, problem));
  }
  // An array that was made while recording.
  void own(const void* begin, int64_t bytes);
  // One that outlives the program and stays where it is.
  void know(const void* begin, int64_t bytes);
  // One that each run names anew.
  int input(const void* begin, int64_t bytes);
  // An own array that the caller looks at between runs; plan() returns their
  // addresses in the order of these calls. False if it is not an own array.
  bool keep(const void* begin);

  // Throws std::invalid_argument if an array is unknown.
  std::vector<void*> plan();

  void set_input(int index, const void* begin);
  // Numbers that change from run to run, by the position among the calls of
  // their kind. Throw std::invalid_argument if there is no such call.
  void set_adam(int index, int64_t step, double lr, double beta1, double beta2,
                double eps, double weight_decay);
  void set_sgd(int index, double lr, double momentum, double weight_decay);
  // All coefficients but where eps is added.
  void set_rmsprop(int index, const RmspropCoefficients& coefficients);
  void set_dropout(int index, uint64_t seed, uint64_t offset);

  std::vector<Dropout> dropouts() const;

  // Whether the inputs hold what the kernels may be given (labels in range).
  bool inputs_valid() const;
  // Throws std::invalid_argument where a kernel's result shows that it must not
  // have been given what it was; the calls after it are not made.
  void run() const;

  // A run, and what each call of it took. The clock is read between calls, some
  // 50 ns of them.
  struct CallTime {
    FirstRun kernel;
    double seconds;
  };
  std::vector<CallTime> run_timed() const;

  int64_t calls() const { return static_cast<int64_t>(calls_.size()); }
  int64_t arena_bytes() const { return arena_bytes_; }
  // What the own arrays would take without sharing.
  int64_t unshared_bytes() const;

 private:
  struct Call {
    virtual ~Call() = default;
    virtual void run() const = 0;
    virtual bool valid() const = 0;
    virtual void each_array(const ArrayVisit& visit) = 0;
    virtual void* as(const void* kind) = 0;
  };

  template <class Problem>
  struct CallOf : Call {
    CallOf(void (*function)(const Problem&), const Problem& problem)
        : function(function), problem(problem) {}
    void run() const override {
      function(problem);
      expect_result(problem);
    }
    bool valid() const override { return problem_valid(problem); }
    void each_array(const ArrayVisit& visit) override {
      visit_arrays(problem, visit);
    }
    void* as(const void* kind) override {
      return kind == kind_of<Problem>() ? &problem : nullptr;
    }

    void (*function)(const Problem&);
    Problem problem;
  };

  template <class Problem>
  static const void* kind_of() {
    static const char kind = 0;
    return &kind;
  }
  template <class Problem>
  Problem& nth(int index) const;

  struct Block;
  struct Place {
    void* pointer;
    int64_t offset;
  };
  struct Input {
    const char* begin;
    int64_t bytes;
    std::vector<Place> places;
  };

  Block* block_of(const void* address);
  void lay_out();

  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Block> blocks_;
  std::vector<int> kept_;
  std::vector<Input> known_, inputs_;
  void* arena_ = nullptr;
  int64_t arena_bytes_ = 0;
};

}  // namespace tw::cpu
