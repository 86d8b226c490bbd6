// How a driver picks a kernel. Each driver holds one ordered list of every
// implementation it has (best first, the plain reference last), each with its
// instruction set and its precondition; the first that the machine runs and
// that does not refuse the problem is taken. TILEWRIGHT_LOG=algorithms prints
// which one and why the earlier ones were passed over; tests force one by name.
#pragma once

#include <string>
#include <vector>

#include "cpu/cpu_features.h"

namespace tw::cpu {

template <class Problem>
struct Algorithm {
  const char* name;  // greppable, instruction set included: "packed_avx512"
  Isa isa;
  // Null where the kernel takes the problem, else the reason why it does not.
  const char* (*refuse)(const Problem&);
  void (*run)(const Problem&);
  // Null where nothing later in the list is faster, else why; not asked of a
  // kernel that is forced.
  const char* (*slower)(const Problem&) = nullptr;
};

// For a kernel that takes every problem.
template <class Problem>
const char* refuse_none(const Problem&) {
  return nullptr;
}

// What is known of a family at run time, kept for the life of the process.
struct Family;

std::vector<std::string> algorithms(const std::string& family);
// An empty name lifts the force. Throws std::invalid_argument if unknown.
void force_algorithm(const std::string& family, const std::string& name);
// The one that last ran on this thread; empty if none has.
std::string last_algorithm(const std::string& family);

// What this thread ran first since the call before, of whichever family: a
// kernel, not those that it is made of. Empty strings if nothing.
struct FirstRun {
  const char* family = "";
  const char* algorithm = "";
};
FirstRun take_first_run();

namespace detail {
Family* register_family(const char* name, std::vector<std::string> algorithms);
const char* forced(const Family* family);  // null: none
bool logging();
void log_passed_over(const Family* family, const char* name, const char* why);
void note_run(const Family* family, const char* name);
[[noreturn]] void fail_forced(const Family* family, const char* name,
                              const char* why);
bool same(const char* a, const char* b);
}  // namespace detail

template <class Problem, size_t count>
class AlgorithmList {
 public:
  AlgorithmList(const char* family, const Algorithm<Problem> (&list)[count])
      : family_(detail::register_family(family, names(list))), list_(list) {}

  // The last of the list must accept everything.
  void run(const Problem& problem) const {
    const char* forced = detail::forced(family_);
    const bool log = detail::logging();
    const Isa isa = isa_in_force();
    for (const Algorithm<Problem>& algorithm : list_) {
      if (forced && !detail::same(forced, algorithm.name)) continue;
      const char* why = algorithm.isa > isa
                            ? "its instruction set is not in force"
                            : algorithm.refuse(problem);
      if (!why && !forced && algorithm.slower) why = algorithm.slower(problem);
      if (!why) {
        detail::note_run(family_, algorithm.name);
        return algorithm.run(problem);
      }
      if (forced) detail::fail_forced(family_, algorithm.name, why);
      if (log) detail::log_passed_over(family_, algorithm.name, why);
    }
  }

 private:
  static std::vector<std::string> names(
      const Algorithm<Problem> (&list)[count]) {
    std::vector<std::string> result;
    for (const auto& algorithm : list) result.push_back(algorithm.name);
    return result;
  }

  const Family* family_;
  const Algorithm<Problem> (&list_)[count];
};

}  // namespace tw::cpu
