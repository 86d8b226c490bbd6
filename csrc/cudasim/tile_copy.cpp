#include "cudasim/tile_copy.hpp"

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "cudasim/mbarrier.hpp"
#include "cudasim/memory.hpp"

namespace tw::cudasim {
namespace {

struct TileCopy {
  unsigned char* dst;
  TensorMap map;
  int depth, row, mbarrier;

  size_t row_bytes() const {
    return static_cast<size_t>(map.box_depth * map.number_bytes);
  }
  size_t bytes() const {
    return row_bytes() * static_cast<size_t>(map.box_rows);
  }
  // Bytes of a row of the box that lie inside of the matrix.
  const unsigned char* source(int r, size_t& before, size_t& inside) const {
    const int64_t from = std::max<int64_t>(depth, 0);
    const int64_t to = std::min<int64_t>(int64_t{depth} + map.box_depth,
                                         static_cast<int64_t>(map.depth));
    const int64_t at = int64_t{row} + r;
    const bool outside =
        at < 0 || at >= static_cast<int64_t>(map.rows) || to <= from;
    before = outside ? row_bytes()
                     : static_cast<size_t>((from - depth) * map.number_bytes);
    inside = outside ? 0 : static_cast<size_t>((to - from) * map.number_bytes);
    return outside ? nullptr
                   : map.data + static_cast<uint64_t>(at) * map.pitch +
                         static_cast<uint64_t>(from * map.number_bytes);
  }
};

std::vector<TileCopy> on_their_way;

void land(const TileCopy& copy) {
  std::vector<unsigned char> line(copy.row_bytes());
  const uint32_t base = shared_address(copy.dst);
  for (int r = 0; r < copy.map.box_rows; r++) {
    size_t before, inside;
    const unsigned char* source = copy.source(r, before, inside);
    std::memset(line.data(), 0, line.size());
    if (source) std::memcpy(line.data() + before, source, inside);
    for (size_t at = 0; at < line.size(); at += kPieceBytes) {
      const auto place = static_cast<uint32_t>(
          base + static_cast<size_t>(r) * line.size() + at);
      std::memcpy(shared_pointer(swizzled(place, copy.map.swizzle)),
                  line.data() + at, kPieceBytes);
    }
  }
  note_landing(copy.dst, copy.bytes(), copy.mbarrier,
               phase_of_mbarrier(copy.mbarrier));
  complete_bytes(copy.mbarrier, static_cast<int64_t>(copy.bytes()));
}

void expect(bool right, const char* what) {
  if (!right) throw std::invalid_argument(std::string("tensor map: ") + what);
}

}  // namespace

TensorMap encode_tensor_map(const void* data, int number_bytes, uint64_t depth,
                            uint64_t rows, uint64_t pitch, int box_depth,
                            int box_rows, int swizzle) {
  constexpr uint64_t kMostExtent = uint64_t{1} << 32;
  const int row_bytes = box_depth * number_bytes;
  expect(reinterpret_cast<uintptr_t>(data) % 16 == 0,
         "data must be aligned to 16 bytes");
  expect(depth >= 1 && depth <= kMostExtent && rows >= 1 && rows <= kMostExtent,
         "extents must be in [1, 2**32]");
  expect(pitch % 16 == 0 && pitch < uint64_t{1} << 40,
         "pitch must be a multiple of 16 bytes below 2**40");
  expect(pitch >= depth * static_cast<uint64_t>(number_bytes), "rows overlap");
  expect(box_depth >= 1 && box_depth <= 256 && box_rows >= 1 && box_rows <= 256,
         "box must be in [1, 256]");
  expect(row_bytes % 16 == 0, "box rows must be multiples of 16 bytes");
  expect(swizzle == 0 || row_bytes == swizzle,
         "box rows must be as long as the swizzle");
  return {static_cast<const unsigned char*>(data),
          depth,
          rows,
          pitch,
          number_bytes,
          box_depth,
          box_rows,
          swizzle};
}

void start_tile_copies() { on_their_way.clear(); }

void finish_tile_copies() {
  if (!on_their_way.empty())
    fault("ends with " + std::to_string(on_their_way.size()) +
          " tile copies that nothing waited for");
  on_their_way.clear();
}

void copy_tile_async(void* dst, const TensorMap& map, int depth, int row,
                     uint64_t* mbarrier) {
  const TileCopy copy{static_cast<unsigned char*>(dst), map, depth, row,
                      mbarrier_of_engine(mbarrier)};
  if (copy.mbarrier < 0) return;
  expect_aligned(dst, 128, "tile copy to shared memory");
  if (!in_shared_memory(dst, copy.bytes()))
    return fault("tile copy to what is no shared memory of the block");
  for (int r = 0; r < map.box_rows; r++) {
    size_t before, inside;
    const unsigned char* source = copy.source(r, before, inside);
    // Of up to 16 bytes an access must be as aligned as it is long.
    const size_t step =
        inside > kPieceBytes ? inside : static_cast<size_t>(map.number_bytes);
    for (size_t at = 0; at < inside; at += step)
      shadow_access(source + at, step, Access::read,
                    __builtin_return_address(0));
  }
  note_copy(dst, copy.bytes());
  if (!configuration.late_copies) return land(copy);
  std::memset(dst, 0xff, copy.bytes());  // NaN, and nothing rounded
  on_their_way.push_back(copy);
}

bool land_a_tile(std::mt19937& random) {
  if (on_their_way.empty()) return false;
  const size_t last = on_their_way.size() - 1;
  const size_t which = configuration.order == Order::forward ? 0
                       : configuration.order == Order::reverse
                           ? last
                           : random() % (last + 1);
  const TileCopy copy = on_their_way[which];
  on_their_way.erase(on_their_way.begin() + static_cast<std::ptrdiff_t>(which));
  land(copy);
  return true;
}

}  // namespace tw::cudasim
