#include "cudasim/async_memory.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "cudasim/block.hpp"
#include "cudasim/order.hpp"
#include "cudasim/shadow.hpp"

namespace tw::cudasim {
namespace {

constexpr uint32_t kReserved = 1024;  // of the shared window, on Hopper

struct Piece {
  enum { untouched, awaited, landed } copy = untouched;
  int mbarrier = 0;
  uint32_t phase = 0;
  // One more than the number of the last product of each warp that read it.
  uint32_t read[kMostWarps] = {};
};

std::vector<Piece> pieces;  // empty: nothing of it is in use in this block
uint32_t fences[kMostThreads];

size_t number_of(const void* address) {
  return static_cast<size_t>(static_cast<const unsigned char*>(address) -
                             launch_state.shared) /
         kPieceBytes;
}

std::string offset(size_t piece) {
  return "shared memory at offset " + std::to_string(piece * kPieceBytes);
}

void begin_use() {
  if (pieces.empty())
    pieces.resize(launch_state.shared_bytes / kPieceBytes + 1);
}

// Who reads or overwrites a copy must have waited for its mbarrier.
const char* copy_not_over(const Piece& piece, int thread) {
  if (piece.copy == Piece::awaited) return "is on its way";
  if (piece.copy == Piece::landed &&
      !knows(thread, kPhasesOfMbarrier + piece.mbarrier, piece.phase))
    return "landed, but was not waited for";
  return nullptr;
}

// A warp whose products may still read the piece, or -1.
int still_reading(const Piece& piece, int thread) {
  for (int warp = 0; warp < kMostWarps; warp++)
    if (piece.read[warp] &&
        !knows(thread, kProductsOfWarp + warp, piece.read[warp] - 1))
      return warp;
  return -1;
}

bool poisoned(const void* piece) {
  const uint32_t poison[] = {kPoison, kPoison, kPoison, kPoison};
  return std::memcmp(piece, poison, kPieceBytes) == 0;
}

// Whether the current thread may write the piece.
bool check_write(size_t number, const char* what) {
  const Piece& piece = pieces[number];
  const int self = current->linear;
  if (const char* why = copy_not_over(piece, self)) {
    fault(std::string(what) + " to " + offset(number) +
          ", where another copy " + why);
    return false;
  }
  const int warp = still_reading(piece, self);
  if (warp >= 0)
    fault(std::string(what) + " to " + offset(number) +
          ", which products of warp " + std::to_string(warp) + " may read");
  return warp < 0;
}

}  // namespace

bool in_shared_memory(const void* address, size_t bytes) {
  const auto* begin = static_cast<const unsigned char*>(address);
  return begin >= launch_state.shared &&
         begin + bytes <= launch_state.shared + launch_state.shared_bytes;
}

uint32_t shared_address(const void* pointer) {
  if (in_shared_memory(pointer, 0))
    return kReserved +
           static_cast<uint32_t>(static_cast<const unsigned char*>(pointer) -
                                 launch_state.shared);
  fault("shared address of what is no shared memory of the block");
  return 0;
}

unsigned char* shared_pointer(uint32_t address) {
  return launch_state.shared + address - kReserved;
}

void start_async_memory() {
  pieces.clear();
  std::fill(std::begin(fences), std::end(fences), 0u);
}

void fence_async_proxy() { fences[current->linear]++; }
uint32_t proxy_fences_of(int thread) { return fences[thread]; }

void note_copy(const void* dst, size_t bytes) {
  begin_use();
  const size_t first = number_of(dst), end = first + bytes / kPieceBytes;
  for (size_t i = first; i < end; i++)
    if (!check_write(i, "tile copy")) break;
  shadow_async_access(dst, bytes, true);
  for (size_t i = first; i < end; i++) {
    pieces[i] = Piece();
    pieces[i].copy = Piece::awaited;
  }
}

void note_landing(const void* dst, size_t bytes, int mbarrier, uint32_t phase) {
  const size_t first = number_of(dst), end = first + bytes / kPieceBytes;
  for (size_t i = first; i < end; i++) {
    pieces[i].copy = Piece::landed;
    pieces[i].mbarrier = mbarrier;
    pieces[i].phase = phase;
  }
}

bool note_product(const void* address, uint32_t number) {
  begin_use();
  const size_t at = number_of(address);
  Piece& piece = pieces[at];
  const int warp = current->warp;
  piece.read[warp] = number + 1;
  if (piece.copy == Piece::landed &&
      every_lane_knows(warp, kPhasesOfMbarrier + piece.mbarrier, piece.phase))
    return true;
  if (piece.copy == Piece::untouched && poisoned(address)) {
    fault("product of " + offset(at) + ", which nothing wrote");
    return false;
  }
  if (piece.copy == Piece::untouched)
    return shadow_async_access(address, kPieceBytes, false);
  fault("product of " + offset(at) + ", where a copy " +
        (piece.copy == Piece::awaited ? "is on its way"
                                      : "landed, but was not waited for"));
  return false;
}

void note_ordinary_access(const void* address, size_t bytes, bool write) {
  if (pieces.empty()) return;
  const size_t last =
      number_of(static_cast<const unsigned char*>(address) + bytes - 1);
  for (size_t i = number_of(address); i <= last; i++) {
    if (write) {
      if (!check_write(i, "write")) return;
      pieces[i] = Piece();
    } else if (const char* why = copy_not_over(pieces[i], current->linear)) {
      return fault("read of " + offset(i) + ", where a copy " + why);
    }
  }
}

}  // namespace tw::cudasim
