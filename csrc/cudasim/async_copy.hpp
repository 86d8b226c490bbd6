// cp.async: copies from global to shared memory that land after they were
// issued, and before a wait for their group returns (PTX ISA, "cp.async").
#pragma once

namespace tw::cudasim {

// `bytes` of size are copied, the rest is zero. To the shadow memory the
// instruction is where the call returns to, unless it is given.
void copy_async(void* shared, const void* global, int size, int bytes,
                const void* instruction = nullptr);
void commit_copies();
// Until at most `pending` of the latest groups are on their way.
void wait_for_copies(int pending, const void* instruction = nullptr);

}  // namespace tw::cudasim
