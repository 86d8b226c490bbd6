// cp.async: copies from global to shared memory that land after they were
// issued, and before a wait for their group returns (PTX ISA, "cp.async").
#pragma once

namespace tw::cudasim {

// `bytes` of size are copied, the rest is zero.
void copy_async(void* shared, const void* global, int size, int bytes);
void commit_copies();
// Until at most `pending` of the latest groups are on their way.
void wait_for_copies(int pending);

}  // namespace tw::cudasim
