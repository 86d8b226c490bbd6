// How an optimizer's step is shared among threads: the parameters' elements,
// laid end to end, are cut into chunks of a fixed size. One region serves all
// arrays, and many small ones cost no more than one of their total size.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpu/parallel.h"

namespace tw::cpu {

constexpr int64_t kParameterChunk = 16384;

// body(tensor, begin, size) for each piece of a tensor that lies in one chunk.
// A Tensor has a `size` and an `offset`: the sum of the sizes before it.
template <class Tensor, class Body>
void over_parameter_chunks(const std::vector<Tensor>& tensors,
                           double bytes_per_element, Body body) {
  if (tensors.empty()) return;
  const int64_t total = tensors.back().offset + tensors.back().size;
  const double bytes = bytes_per_element * static_cast<double>(total);
  const int64_t chunks = (total + kParameterChunk - 1) / kParameterChunk;
  parallel_for(chunks, threads_for_bytes(bytes), [&](int64_t chunk, int) {
    int64_t at = chunk * kParameterChunk;
    const int64_t end = std::min(total, at + kParameterChunk);
    // The last tensor that begins at or before `at`.
    auto tensor = std::upper_bound(tensors.begin(), tensors.end(), at,
                                   [](int64_t position, const Tensor& t) {
                                     return position < t.offset;
                                   }) -
                  1;
    for (; at < end; ++tensor) {
      const int64_t begin = at - tensor->offset;
      const int64_t size = std::min(tensor->size - begin, end - at);
      if (size > 0) body(*tensor, begin, size);
      at += size;
    }
  });
}

}  // namespace tw::cpu
