// Rows of arrays collected into a batch, ahead of the step that needs it. The
// copying is cut into pieces that take a microsecond or two. Threads of the
// pool that wait for a region do them meanwhile, so that a training step loses
// nothing; what is left when the batch is asked for its caller does.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "cpu/parallel.h"

namespace tw::cpu {

class Gather : public IdleWork {
 public:
  struct Source {
    const char* from;  // rows, one after another
    int64_t row_bytes;
    char* to;  // as many as are asked for
  };

  // The numbers of the rows are not checked.
  Gather(std::vector<Source> sources, std::vector<int64_t> rows);
  ~Gather();  // threads are out of it afterwards
  Gather(const Gather&) = delete;
  Gather& operator=(const Gather&) = delete;

  // Returns when all is copied.
  void finish();

  bool do_piece() override;

 private:
  // Of a source: `high` rows at a time or, of rows that are long, a part of
  // one. Its pieces end at number `end`.
  struct Cut {
    int64_t high, parts, end;
  };

  void copy(int64_t piece) const;

  std::vector<Source> sources_;
  std::vector<int64_t> rows_;
  std::vector<Cut> cuts_;
  int64_t pieces_ = 0;
  uint64_t forks_;
  std::atomic<int64_t> next_{0}, done_{0};
};

}  // namespace tw::cpu
