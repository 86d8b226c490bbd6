// setmaxnreg, which changes nothing here but must be legal, and elect.sync.
#pragma once

#include "cudasim/faults.hpp"

namespace tw::cudasim {

void start_registers();   // a block begins
void finish_registers();  // and ends

void set_registers(int count, Site site);
// Which lane is elected depends on the order of threads.
bool elect_one(Site site);

}  // namespace tw::cudasim
