#include "cpu/gather.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/integers.h"

namespace tw::cpu {
namespace {

constexpr int64_t kPieceBytes = 8192;

}  // namespace

Gather::Gather(std::vector<Source> sources, std::vector<int64_t> rows)
    : sources_(std::move(sources)), rows_(std::move(rows)), forks_(forks()) {
  const auto count = static_cast<int64_t>(rows_.size());
  for (const Source& source : sources_) {
    const int64_t bytes = std::max<int64_t>(source.row_bytes, 1);
    const int64_t high = std::max<int64_t>(1, kPieceBytes / bytes);
    const int64_t parts = ceil_div(bytes, kPieceBytes);
    pieces_ += ceil_div(count, high) * parts;
    cuts_.push_back({high, parts, pieces_});
  }
  offer_idle_work(this);
}

Gather::~Gather() { withdraw_idle_work(this); }

bool Gather::do_piece() {
  if (next_.load(std::memory_order_relaxed) >= pieces_) return false;
  const int64_t piece = next_.fetch_add(1, std::memory_order_relaxed);
  if (piece >= pieces_) return false;
  copy(piece);
  done_.fetch_add(1, std::memory_order_release);
  return true;
}

void Gather::finish() {
  if (forks_ != forks()) {
    // The threads that had begun pieces were left behind in the parent.
    for (int64_t piece = 0; piece < pieces_; piece++) copy(piece);
    return;
  }
  while (do_piece()) {
  }
  while (done_.load(std::memory_order_acquire) < pieces_) give_way();
  withdraw_idle_work(this);
}

void Gather::copy(int64_t piece) const {
  size_t i = 0;
  while (piece >= cuts_[i].end) i++;
  const Source& source = sources_[i];
  const Cut& cut = cuts_[i];
  if (i > 0) piece -= cuts_[i - 1].end;
  const int64_t first = piece / cut.parts * cut.high;
  const int64_t last =
      std::min(first + cut.high, static_cast<int64_t>(rows_.size()));
  const int64_t begin = piece % cut.parts * kPieceBytes;
  const int64_t bytes = cut.parts == 1
                            ? source.row_bytes
                            : std::min(kPieceBytes, source.row_bytes - begin);
  for (int64_t row = first; row < last; row++)
    std::memcpy(source.to + row * source.row_bytes + begin,
                source.from +
                    rows_[static_cast<size_t>(row)] * source.row_bytes + begin,
                static_cast<size_t>(bytes));
}

}  // namespace tw::cpu
