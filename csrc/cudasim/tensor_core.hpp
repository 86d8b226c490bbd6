// ldmatrix and mma.sync of a warp, by the fragment layouts of the PTX ISA
// ("Matrix Fragments for mma.m16n8k8", "... mma.m16n8k16", "ldmatrix").
// With group = lane / 4 and thread = lane % 4:
//   C, D (16 x 8): d[2 h + j] is row group + 8 h, column 2 thread + j
//   m16n8k8, tf32: a[i + 2 j] is row group + 8 i, column thread + 4 j
//                  b[j] is row thread + 4 j, column group
//   m16n8k16, bf16, two a register: register i + 2 j of a is row group + 8 i,
//                  columns 2 thread + 8 j and one more; register j of b is rows
//                  2 thread + 8 j and one more, column group
#pragma once

#include <cstdint>

#include "cudasim/faults.hpp"

namespace tw::cudasim {

float round_to_tf32(float value);     // to nearest, ties away from zero
uint16_t round_to_bf16(float value);  // to nearest, ties to even

void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4],
                      const uint32_t (&b)[2], Site site);
void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4],
                       const uint32_t (&b)[2], Site site);

// Four 8 x 8 matrices of 16-bit elements: lane 8 i + r gives the address of row
// r of matrix i, and register i holds two neighbours of row lane / 4 of it (of
// column lane / 4 with `transposed`).
void ldmatrix_x4(uint32_t (&registers)[4], const void* row, bool transposed,
                 Site site, const void* instruction = nullptr);

}  // namespace tw::cudasim
