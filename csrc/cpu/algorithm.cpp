#include "cpu/algorithm.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <stdexcept>

namespace tw::cpu {

struct Family {
  std::string name;
  std::vector<std::string> algorithms;
  int index = 0;
  // Points into `algorithms`, which never changes once registered.
  std::atomic<const char*> forced{nullptr};
};

namespace {

constexpr int kMaxFamilies = 64;

// Filled while the module loads, read-only afterwards.
std::map<std::string, Family>& families() {
  static auto* all = new std::map<std::string, Family>;
  return *all;
}

thread_local const char* last_run[kMaxFamilies];
thread_local FirstRun first_run;

Family& find(const std::string& family) {
  auto found = families().find(family);
  if (found == families().end())
    throw std::invalid_argument("algorithms: unknown family '" + family + "'");
  return found->second;
}

}  // namespace

std::vector<std::string> algorithms(const std::string& family) {
  return find(family).algorithms;
}

void force_algorithm(const std::string& family, const std::string& name) {
  Family& entry = find(family);
  if (name.empty()) {
    entry.forced = nullptr;
    return;
  }
  auto found =
      std::find(entry.algorithms.begin(), entry.algorithms.end(), name);
  if (found == entry.algorithms.end())
    throw std::invalid_argument("algorithms: " + family +
                                " has no algorithm '" + name + "'");
  entry.forced = found->c_str();
}

std::string last_algorithm(const std::string& family) {
  const char* name = last_run[find(family).index];
  return name ? name : "";
}

FirstRun take_first_run() {
  const FirstRun taken = first_run;
  first_run = {};
  return taken;
}

namespace detail {

Family* register_family(const char* name, std::vector<std::string> algorithms) {
  const int index = static_cast<int>(families().size());
  if (index == kMaxFamilies) std::abort();  // at load time, by a developer
  Family& family = families()[name];
  family.name = name;
  family.algorithms = std::move(algorithms);
  family.index = index;
  return &family;
}

const char* forced(const Family* family) {
  return family->forced.load(std::memory_order_relaxed);
}

bool logging() {
  static const bool on = [] {
    const char* log = std::getenv("TILEWRIGHT_LOG");
    return log && std::strstr(log, "algorithms");
  }();
  return on;
}

void log_passed_over(const Family* family, const char* name, const char* why) {
  std::fprintf(stderr, "tilewright: %s: passed over %s: %s\n",
               family->name.c_str(), name, why);
}

void note_run(const Family* family, const char* name) {
  last_run[family->index] = name;
  if (!*first_run.family) first_run = {family->name.c_str(), name};
  if (logging())
    std::fprintf(stderr, "tilewright: %s: %s\n", family->name.c_str(), name);
}

void fail_forced(const Family* family, const char* name, const char* why) {
  throw std::invalid_argument(family->name + ": algorithm '" + name +
                              "' was forced but cannot run: " + why);
}

bool same(const char* a, const char* b) { return std::strcmp(a, b) == 0; }

}  // namespace detail
}  // namespace tw::cpu
