#include "cudasim/tensor_core.hpp"

#include <cstring>

#include "cudasim/memory.hpp"

namespace tw::cudasim {
namespace {

constexpr int kRows = 16, kColumns = 8;
constexpr uint32_t kTf32Tail = 0x1fff;  // the bits that tf32 lacks

float low_bf16(uint32_t pair) { return __uint_as_float(pair << 16); }
float high_bf16(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }

struct Multiplication {
  float* d;
  const uint32_t *a, *b;
};

// d += a b over the whole warp, from matrices gathered out of the fragments.
template <int kDepth>
void accumulate(Multiplication** of, const float (&a)[kRows][kDepth],
                const float (&b)[kDepth][kColumns]) {
  float product[kRows][kColumns] = {};
  for (int i = 0; i < kRows; i++)
    for (int k = 0; k < kDepth; k++)
      for (int j = 0; j < kColumns; j++) product[i][j] += a[i][k] * b[k][j];
  for (int lane = 0; lane < kWarp; lane++)
    for (int half = 0; half < 2; half++)
      for (int j = 0; j < 2; j++)
        of[lane]->d[2 * half + j] +=
            product[lane / 4 + 8 * half][2 * (lane % 4) + j];
}

void multiply_tf32(Multiplication** of) {
  float a[kRows][8], b[8][kColumns];
  bool rounded = true;
  for (int lane = 0; lane < kWarp; lane++) {
    const int group = lane / 4, thread = lane % 4;
    const Multiplication& m = *of[lane];
    for (int j = 0; j < 2; j++) {
      for (int i = 0; i < 2; i++) {
        rounded &= !(m.a[i + 2 * j] & kTf32Tail);
        a[group + 8 * i][thread + 4 * j] = __uint_as_float(m.a[i + 2 * j]);
      }
      rounded &= !(m.b[j] & kTf32Tail);
      b[thread + 4 * j][group] = __uint_as_float(m.b[j]);
    }
  }
  if (!rounded) fault("mma: an operand was not rounded to tf32");
  accumulate<8>(of, a, b);
}

void multiply_bf16(Multiplication** of) {
  float a[kRows][16], b[16][kColumns];
  for (int lane = 0; lane < kWarp; lane++) {
    const int group = lane / 4, thread = lane % 4;
    const Multiplication& m = *of[lane];
    for (int j = 0; j < 2; j++) {
      const int k = 2 * thread + 8 * j;
      for (int i = 0; i < 2; i++) {
        a[group + 8 * i][k] = low_bf16(m.a[i + 2 * j]);
        a[group + 8 * i][k + 1] = high_bf16(m.a[i + 2 * j]);
      }
      b[k][group] = low_bf16(m.b[j]);
      b[k + 1][group] = high_bf16(m.b[j]);
    }
  }
  accumulate<16>(of, a, b);
}

}  // namespace

float round_to_tf32(float value) {
  const uint32_t bits = __float_as_uint(value);
  const bool finite = (bits & 0x7f800000) != 0x7f800000;
  if (finite) return __uint_as_float((bits + 0x1000) & ~kTf32Tail);
  const bool nan = bits & 0x7fffff;
  return __uint_as_float(nan ? 0x7fffe000 : bits);
}

uint16_t round_to_bf16(float value) {
  const uint32_t bits = __float_as_uint(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fff;  // NaN
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4],
                      const uint32_t (&b)[2], Site site) {
  Multiplication mine{d, a, b};
  warp_operation(~0u, mine, multiply_tf32, site);
}

void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4],
                       const uint32_t (&b)[2], Site site) {
  Multiplication mine{d, a, b};
  warp_operation(~0u, mine, multiply_bf16, site);
}

void ldmatrix_x4(uint32_t (&registers)[4], const void* row, bool transposed,
                 Site site, const void* instruction) {
  struct Load {
    uint32_t* registers;
    const char* row;
  } mine{registers, static_cast<const char*>(row)};
  expect_aligned(row, 16, "row of ldmatrix");
  shadow_access(row, 16, Access::read,
                instruction ? instruction : __builtin_return_address(0));
  const auto load = [transposed](Load** of) {
    for (int matrix = 0; matrix < 4; matrix++) {
      for (int lane = 0; lane < kWarp; lane++) {
        uint16_t element[2];
        for (int j = 0; j < 2; j++) {
          const int outer = lane / 4, inner = 2 * (lane % 4) + j;
          const int r = transposed ? inner : outer;
          const int c = transposed ? outer : inner;
          std::memcpy(&element[j], of[8 * matrix + r]->row + 2 * c, 2);
        }
        of[lane]->registers[matrix] =
            element[0] | static_cast<uint32_t>(element[1]) << 16;
      }
    }
  };
  warp_operation(~0u, mine, load, site);
}

}  // namespace tw::cudasim
