// How many threads to use by default: TILEWRIGHT_NUM_THREADS, else
// OMP_NUM_THREADS, else the physical cores that the affinity mask and the
// container's CPU quota allow. Ignoring the quota is the slowest mistake there
// is (90x in a one-CPU container: dmlc/xgboost#7653).
#pragma once

#include <string>

namespace tw::cpu {

struct ThreadCount {
  int threads;
  std::string source;  // what decided it, for `tilewright info`
};

ThreadCount default_thread_count();

// CPUs' worth of quota in the cgroup (v2 cpu.max, v1 cfs_quota_us) of this
// process, rounded up; 0 where there is none. `root` is "/" except in tests.
int cgroup_quota(const std::string& root);

}  // namespace tw::cpu
