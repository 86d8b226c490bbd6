// What becomes of the losses of a batch.
#pragma once

namespace tw {

enum class Reduction { mean, sum, none };

}  // namespace tw
