#include "cpu/thread_count.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#if defined(__linux__)
#include <sched.h>
#endif

namespace tw::cpu {
namespace {

int from_environment(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text) return 0;
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  // OMP_NUM_THREADS may be a list ("4,2"): its first entry is the outer level.
  return end != text && value > 0 && value <= 4096 ? static_cast<int>(value)
                                                   : 0;
}

// "max 100000" (no quota) or "150000 100000".
int quota_v2(const std::string& file) {
  std::ifstream in(file);
  std::string quota;
  double period = 0;
  if (!(in >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::max(
      1, static_cast<int>(std::ceil(std::atof(quota.c_str()) / period)));
}

int quota_v1(const std::string& directory) {
  std::ifstream quota_in(directory + "/cpu.cfs_quota_us");
  std::ifstream period_in(directory + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_in >> quota) || !(period_in >> period)) return 0;
  if (quota <= 0 || period <= 0) return 0;
  return std::max(1, static_cast<int>(std::ceil(quota / period)));
}

int tighter(int a, int b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

// A quota may sit on this group or on any group above it.
template <class Read>
int tightest_on_path(const std::string& mount, std::string path, Read read) {
  int result = 0;
  for (;;) {
    result = tighter(result, read(mount + path));
    if (path.empty() || path == "/") return result;
    path.erase(path.find_last_of('/'));
  }
}

bool has_controller(const std::string& list, const std::string& name) {
  std::istringstream in(list);
  for (std::string item; std::getline(in, item, ',');)
    if (item == name) return true;
  return false;
}

int hardware_threads() {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

// Cores, not hyper-threads: FMA units are shared by the threads of a core.
int physical_cores() {
#if defined(__linux__)
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
    return hardware_threads();
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    std::ifstream in("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                     "/topology/thread_siblings_list");
    std::string siblings;
    if (!(in >> siblings)) return hardware_threads();
    cores.insert(siblings);
  }
  return std::max<int>(1, static_cast<int>(cores.size()));
#else
  return hardware_threads();
#endif
}

}  // namespace

int cgroup_quota(const std::string& root) {
  const std::string base = root == "/" ? "" : root;
  std::ifstream in(base + "/proc/self/cgroup");
  int result = 0;
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      result =
          tighter(result, tightest_on_path(base + "/sys/fs/cgroup", path,
                                           [](const std::string& d) {
                                             return quota_v2(d + "/cpu.max");
                                           }));
    } else if (has_controller(controllers, "cpu")) {
      for (const char* mount :
           {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"})
        result =
            tighter(result, tightest_on_path(base + mount, path, quota_v1));
    }
  }
  return result;
}

ThreadCount default_thread_count() {
  for (const char* variable : {"TILEWRIGHT_NUM_THREADS", "OMP_NUM_THREADS"})
    if (const int wanted = from_environment(variable))
      return {wanted, variable};
  const int cores = physical_cores();
  // TILEWRIGHT_CGROUP_ROOT lets a test stand a false file system in for "/".
  const char* root = std::getenv("TILEWRIGHT_CGROUP_ROOT");
  const int quota = cgroup_quota(root ? root : "/");
  if (quota && quota < cores) return {quota, "the container's CPU quota"};
  if (cores < hardware_threads()) return {cores, "physical cores"};
  return {cores, "the CPU affinity mask"};
}

}  // namespace tw::cpu
