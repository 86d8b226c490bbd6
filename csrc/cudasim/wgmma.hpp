// wgmma.mma_async: products of a warpgroup (four warps) that run by themselves.
// Each warp's share is 16 of the 64 rows. It reads shared memory and adds to
// its sums at a wait for its group, as late as may be, or (Configuration) at
// once; until a wait the sums are NaN.
//
// With group = lane / 4 and thread = lane % 4 number 4 j + 2 h + i of a lane's
// sums is row group + 8 h of the warp's, column 8 j + 2 thread + i (PTX ISA,
// "Register Fragments for wgmma.mma_async.m64nNk16"). Operands lie in shared
// memory as rows with 32 bytes of the depth along them, where a descriptor says
// ("Matrix Descriptor Format"): eight rows one after the other, each as long as
// the swizzle, and the next eight at the stride; without a swizzle each 16
// bytes of eight rows by themselves.
#pragma once

#include <cstdint>

#include "cudasim/async_memory.hpp"
#include "cudasim/faults.hpp"

namespace tw::cudasim {

enum class Narrow { bf16, tf32 };

struct Product {
  float* sums;  // of the calling lane, columns / 2
  int columns;
  Narrow narrow;
  uint64_t a, b;  // descriptors
};

void start_products();   // a block begins
void finish_products();  // and ends

void fence_products(Site site);
void multiply_async(const Product& product, Site site);
// For sums without an address (route C): they are there at once, and what the
// product reads counts as read until the wait all the same.
void multiply_at_once(const Product& product, Site site);
void commit_products(Site site);
void wait_for_products(int pending, Site site);

}  // namespace tw::cudasim
