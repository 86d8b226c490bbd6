#include "cudasim/wgmma.hpp"

#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "cudasim/dialect.hpp"
#include "cudasim/order.hpp"

namespace tw::cudasim {
namespace {

constexpr int kWarpgroup = 4;  // warps
constexpr int kRows = 16;      // of a warp
constexpr int kDepthBytes = 32;
constexpr int kMostColumns = 256, kMostDepth = 16;
constexpr uint32_t kInFlight = 0x7fc0beef;  // a NaN
constexpr uint32_t kTf32Tail = 0x1fff;      // the bits that tf32 lacks

// Sums that products are adding to.
struct Sums {
  float* of[kWarp];
  int numbers;
  std::vector<float> value;  // what they would be, by lane
  int awaited = 0;           // products
};

struct Issued {
  Product product;
  int group;
  bool done, returned;  // computed; its sums are back
};

struct WarpProducts {
  bool fenced;
  int group;
  uint32_t issued, over;  // products so far
  std::deque<Issued> awaited;
  std::vector<Sums> sums;
};

WarpProducts warps[kMostWarps];
bool in_use = false;  // since the block began
std::vector<Product> of_group[kMostWarps / kWarpgroup];

struct Operand {
  uint32_t start, leading, stride;
  int row_bytes;  // of the swizzle; 16: none
};

bool decode(uint64_t descriptor, Operand& operand) {
  constexpr uint64_t kUnused = 0x3ff1c000c000c000;
  constexpr uint64_t kBaseOffset = uint64_t{7} << 49;
  if (descriptor & kUnused || descriptor & kBaseOffset) {
    fault("wgmma: descriptor with bits that must be 0, or with a base offset");
    return false;
  }
  const auto bytes = [&](int bit) {
    return static_cast<uint32_t>(descriptor >> bit & 0x3fff) << 4;
  };
  const int swizzle = static_cast<int>(descriptor >> 62);
  operand = {bytes(0), bytes(16), bytes(32), swizzle ? 256 >> swizzle : 16};
  if (!swizzle) return true;
  // Within the first of eight rows that begin at a multiple of their size.
  const auto row = static_cast<uint32_t>(operand.row_bytes);
  if (operand.start % (8 * row) + kDepthBytes <= row) return true;
  fault("wgmma: an operand at " + std::to_string(operand.start) +
        " does not begin where its swizzle does");
  return false;
}

// The two pieces of 16 bytes of a row.
uint32_t place(const Operand& operand, int row, int piece) {
  const auto r = static_cast<uint32_t>(row), p = static_cast<uint32_t>(piece);
  const uint32_t eight = operand.start + r / 8 * operand.stride;
  if (operand.row_bytes == 16) return eight + r % 8 * 16 + p * operand.leading;
  const auto row_bytes = static_cast<uint32_t>(operand.row_bytes);
  return swizzled(eight + r % 8 * row_bytes + p * 16, operand.row_bytes);
}

// False: the operand is not in shared memory.
bool note_reads(const Operand& operand, int first, int rows, uint32_t number) {
  bool right = true;  // one fault is enough
  for (int row = first; row < first + rows; row++)
    for (int piece = 0; piece < 2; piece++) {
      const uint32_t address = place(operand, row, piece);
      const unsigned char* at = shared_pointer(address);
      if (!in_shared_memory(at, kPieceBytes)) {
        fault("wgmma: row " + std::to_string(row) +
              " of an operand is outside of the block's shared memory");
        return false;
      }
      right = right && note_product(at, number);
    }
  return true;
}

float number_at(const unsigned char* piece, int i, Narrow narrow,
                bool& rounded) {
  uint32_t bits = 0;
  if (narrow == Narrow::bf16) {
    std::memcpy(&bits, piece + 2 * i, 2);
    return __uint_as_float(bits << 16);
  }
  std::memcpy(&bits, piece + 4 * i, 4);
  rounded &= !(bits & kTf32Tail);
  return __uint_as_float(bits);
}

void multiply(const Product& product, int warp, Sums& sums) {
  static float a[kRows][kMostDepth], b[kMostDepth][kMostColumns];
  const int in_piece = product.narrow == Narrow::bf16 ? 8 : 4;
  Operand left, right;
  decode(product.a, left);
  decode(product.b, right);
  const int first = warp % kWarpgroup * kRows;
  bool rounded = true;
  for (int piece = 0; piece < 2; piece++)
    for (int i = 0; i < in_piece; i++) {
      const int k = piece * in_piece + i;
      for (int row = 0; row < kRows; row++)
        a[row][k] = number_at(shared_pointer(place(left, first + row, piece)),
                              i, product.narrow, rounded);
      for (int column = 0; column < product.columns; column++)
        b[k][column] = number_at(shared_pointer(place(right, column, piece)), i,
                                 product.narrow, rounded);
    }
  if (!rounded) fault("wgmma: an operand was not rounded to tf32");
  for (int row = 0; row < kRows; row++) {
    float result[kMostColumns] = {};
    for (int k = 0; k < 2 * in_piece; k++)
      for (int column = 0; column < product.columns; column++)
        result[column] += a[row][k] * b[k][column];
    for (int column = 0; column < product.columns; column++) {
      const int lane = row % 8 * 4 + column % 8 / 2;
      const int number = column / 8 * 4 + row / 8 * 2 + column % 2;
      sums.value[static_cast<size_t>(lane * sums.numbers + number)] +=
          result[column];
    }
  }
}

Sums* find_sums(WarpProducts& mine, const float* of_first_lane) {
  for (Sums& sums : mine.sums)
    if (sums.of[0] == of_first_lane) return &sums;
  return nullptr;
}

// The sums leave their registers, which hold NaN until they come back.
Sums& take_sums(WarpProducts& mine, const Product* const* of) {
  mine.sums.emplace_back();
  Sums& sums = mine.sums.back();
  sums.numbers = of[0]->columns / 2;
  for (int lane = 0; lane < kWarp; lane++) {
    sums.of[lane] = of[lane]->sums;
    sums.value.insert(sums.value.end(), sums.of[lane],
                      sums.of[lane] + sums.numbers);
    for (int i = 0; i < sums.numbers; i++)
      std::memcpy(&sums.of[lane][i], &kInFlight, 4);
  }
  return sums;
}

void return_sums(const Sums& sums) {
  bool touched = false;
  for (int lane = 0; lane < kWarp; lane++)
    for (int i = 0; i < sums.numbers; i++) {
      uint32_t bits;
      std::memcpy(&bits, &sums.of[lane][i], 4);
      touched |= bits != kInFlight;
      sums.of[lane][i] =
          sums.value[static_cast<size_t>(lane * sums.numbers + i)];
    }
  if (touched) fault("wgmma: sums were written while products added to them");
}

// All warps of a warpgroup must give the same products in the same order.
void check_agreement(const Product& product, int warp, uint32_t number,
                     Site site) {
  auto& given = of_group[warp / kWarpgroup];
  if (number == given.size()) given.push_back(product);
  const Product& other = given[number];
  if (other.a != product.a || other.b != product.b ||
      other.columns != product.columns || other.narrow != product.narrow)
    fault("wgmma at " + text(site) +
          ": warps of one warpgroup give different products");
}

void issue(const Product* const* of, bool returned, Site site) {
  const Product& product = *of[0];
  const int warp = current->warp;
  WarpProducts& mine = warps[warp];
  for (int lane = 0; lane < kWarp; lane++)
    if (of[lane]->a != product.a || of[lane]->b != product.b)
      return fault("wgmma at " + text(site) + ": descriptors differ by lane");
  Operand left, right;
  if (!decode(product.a, left) || !decode(product.b, right)) return;
  const uint32_t number = mine.issued;
  check_agreement(product, warp, number, site);
  if (!note_reads(left, warp % kWarpgroup * kRows, kRows, number) ||
      !note_reads(right, 0, product.columns, number))
    return;
  mine.issued++;
  Sums* sums = find_sums(mine, product.sums);
  if (!sums) {
    if (!mine.fenced)
      fault("wgmma at " + text(site) + ": no wgmma.fence after sums were used");
    sums = &take_sums(mine, of);
  }
  sums->awaited++;
  const bool done = returned || !configuration.late_copies;
  if (done) multiply(product, warp, *sums);
  mine.awaited.push_back({product, mine.group, done, returned});
  if (!returned) return;
  return_sums(*sums);
  mine.sums.pop_back();
}

void wait(int pending) {
  const int warp = current->warp;
  WarpProducts& mine = warps[warp];
  while (!mine.awaited.empty() &&
         mine.awaited.front().group < mine.group - pending) {
    const Issued next = mine.awaited.front();
    mine.awaited.pop_front();
    mine.over++;
    if (next.returned) {
      mine.fenced = !mine.awaited.empty();
      continue;
    }
    Sums& sums = *find_sums(mine, next.product.sums);
    if (!next.done) multiply(next.product, warp, sums);
    sums.awaited--;
  }
  for (int lane = 0; lane < kWarp; lane++)
    learn(warp * kWarp + lane, kProductsOfWarp + warp, mine.over);
  for (size_t i = 0; i < mine.sums.size();) {
    if (mine.sums[i].awaited) {
      i++;
      continue;
    }
    return_sums(mine.sums[i]);
    mine.sums.erase(mine.sums.begin() + static_cast<std::ptrdiff_t>(i));
    mine.fenced = false;  // from here on the sums may be used
  }
}

template <class Function>
void by_warp(Function function, Site site) {
  struct Nothing {
  } nothing;
  warp_operation(~0u, nothing, [&](Nothing**) { function(); }, site);
}

}  // namespace

void start_products() {
  if (!in_use) return;
  in_use = false;
  for (WarpProducts& warp : warps) warp = {};
  for (auto& given : of_group) given.clear();
}

void finish_products() {
  if (!in_use) return;
  for (int w = 0; w < block_threads() / kWarp; w++) {
    if (!warps[w].awaited.empty())
      fault("warp " + std::to_string(w) + " ends with " +
            std::to_string(warps[w].awaited.size()) +
            " products that nothing waited for");
    if (warps[w].issued != of_group[w / kWarpgroup].size())
      fault("warp " + std::to_string(w) +
            " gave fewer products than others of its warpgroup");
  }
}

void fence_products(Site site) {
  in_use = true;
  by_warp([] { warps[current->warp].fenced = true; }, site);
}

namespace {

void give(const Product& product, bool at_once, Site site) {
  if (block_threads() < (current->warp / kWarpgroup + 1) * kWarpgroup * kWarp)
    return fault("wgmma at " + text(site) + ": the warpgroup lacks warps");
  in_use = true;
  make_order_partial();
  Product mine = product;
  warp_operation(
      ~0u, mine, [&](Product** of) { issue(of, at_once, site); }, site);
}

}  // namespace

void multiply_async(const Product& product, Site site) {
  give(product, false, site);
}
void multiply_at_once(const Product& product, Site site) {
  give(product, true, site);
}

void commit_products(Site site) {
  in_use = true;
  by_warp([] { warps[current->warp].group++; }, site);
}

void wait_for_products(int pending, Site site) {
  in_use = true;
  make_order_partial();
  by_warp([pending] { wait(pending); }, site);
}

}  // namespace tw::cudasim
