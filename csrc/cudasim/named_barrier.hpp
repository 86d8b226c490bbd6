// bar.sync with a number and a count of threads.
#pragma once

#include "cudasim/faults.hpp"

namespace tw::cudasim {

void start_named_barriers();  // a block begins

void wait_at_named_barrier(int number, int threads, Site site);

}  // namespace tw::cudasim
