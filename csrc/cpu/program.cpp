#include "cpu/program.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>

#include "cpu/allocator.h"
#include "cpu/parallel.h"

namespace tw::cpu {
namespace {

constexpr int64_t kAlignment = 64;

void point(void* pointer, const void* address) {
  std::memcpy(pointer, &address, sizeof(address));
}

}  // namespace

// An own array: where it was while recording, the calls it lives through, and
// its place in the arena.
struct Program::Block {
  const char* begin;
  int64_t bytes;
  int64_t first = -1, last = -1;
  int64_t offset = 0;
};

Program::Program() = default;
Program::~Program() { deallocate(arena_); }

void Program::own(const void* begin, int64_t bytes) {
  blocks_.push_back({static_cast<const char*>(begin), bytes});
}

void Program::know(const void* begin, int64_t bytes) {
  known_.push_back({static_cast<const char*>(begin), bytes, {}});
}

int Program::input(const void* begin, int64_t bytes) {
  inputs_.push_back({static_cast<const char*>(begin), bytes, {}});
  return static_cast<int>(inputs_.size()) - 1;
}

bool Program::keep(const void* begin) {
  const Block* block = block_of(begin);
  if (!block || block->begin != begin) return false;
  kept_.push_back(static_cast<int>(block - blocks_.data()));
  return true;
}

Program::Block* Program::block_of(const void* address) {
  const auto* at = static_cast<const char*>(address);
  for (Block& block : blocks_)
    if (at >= block.begin &&
        at < block.begin + std::max<int64_t>(block.bytes, 1))
      return &block;
  return nullptr;
}

std::vector<void*> Program::plan() {
  struct Use {
    void* pointer;
    Block* block;
    int64_t offset;
  };
  std::vector<Use> uses;
  for (size_t call = 0; call < calls_.size(); call++)
    calls_[call]->each_array([&](void* pointer, const void* address) {
      const auto* at = static_cast<const char*>(address);
      for (Input& input : inputs_)
        if (at >= input.begin && at < input.begin + input.bytes) {
          input.places.push_back({pointer, at - input.begin});
          return;
        }
      for (const Input& known : known_)
        if (at >= known.begin && at < known.begin + known.bytes) return;
      Block* block = block_of(address);
      if (!block)
        throw std::invalid_argument(
            "a kernel reads an array that no kernel made");
      if (block->first < 0) block->first = static_cast<int64_t>(call);
      block->last = static_cast<int64_t>(call);
      uses.push_back({pointer, block, at - block->begin});
    });
  for (int index : kept_) blocks_[static_cast<size_t>(index)].last = calls();
  lay_out();
  arena_ = allocate(static_cast<size_t>(arena_bytes_));
  auto* arena = static_cast<char*>(arena_);
  for (const Use& use : uses)
    point(use.pointer, arena + use.block->offset + use.offset);
  std::vector<void*> kept;
  for (int index : kept_)
    kept.push_back(arena + blocks_[static_cast<size_t>(index)].offset);
  return kept;
}

void Program::lay_out() {
  std::vector<Block*> order;
  for (Block& block : blocks_)
    if (block.first >= 0) order.push_back(&block);
  std::stable_sort(order.begin(), order.end(),
                   [](Block* a, Block* b) { return a->bytes > b->bytes; });
  std::vector<const Block*> placed;  // by offset
  for (Block* block : order) {
    int64_t offset = 0;
    for (const Block* other : placed) {
      if (other->last < block->first || block->last < other->first) continue;
      if (offset + block->bytes <= other->offset) break;
      const int64_t end = other->offset + other->bytes;
      offset =
          std::max(offset, (end + kAlignment - 1) / kAlignment * kAlignment);
    }
    block->offset = offset;
    arena_bytes_ = std::max(arena_bytes_, offset + block->bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), block,
                                   [](const Block* a, const Block* b) {
                                     return a->offset < b->offset;
                                   }),
                  block);
  }
}

int64_t Program::unshared_bytes() const {
  int64_t total = 0;
  for (const Block& block : blocks_)
    if (block.first >= 0) total += block.bytes;
  return total;
}

void Program::set_input(int index, const void* begin) {
  for (const Place& place : inputs_.at(static_cast<size_t>(index)).places)
    point(place.pointer, static_cast<const char*>(begin) + place.offset);
}

template <class Problem>
Problem& Program::nth(int index) const {
  for (const auto& call : calls_)
    if (void* problem = call->as(kind_of<Problem>()))
      if (index-- == 0) return *static_cast<Problem*>(problem);
  throw std::invalid_argument("program: no such call");
}

void Program::set_adam(int index, int64_t step, double lr, double beta1,
                       double beta2, double eps, double weight_decay) {
  auto& p = nth<AdamStep>(index);
  p.step = step, p.lr = lr, p.beta1 = beta1, p.beta2 = beta2, p.eps = eps;
  p.weight_decay = weight_decay;
}

void Program::set_sgd(int index, double lr, double momentum,
                      double weight_decay) {
  auto& p = nth<SgdStep>(index);
  p.lr = lr, p.momentum = momentum, p.weight_decay = weight_decay;
}

void Program::set_rmsprop(int index, const RmspropCoefficients& coefficients) {
  auto& c = nth<RmspropStep>(index).coefficients;
  const bool eps_in_root = c.eps_in_root;
  c = coefficients;
  c.eps_in_root = eps_in_root;
}

void Program::set_dropout(int index, uint64_t seed, uint64_t offset) {
  auto& p = nth<Dropout>(index);
  p.seed = seed, p.offset = offset;
}

std::vector<Dropout> Program::dropouts() const {
  std::vector<Dropout> found;
  for (const auto& call : calls_)
    if (void* problem = call->as(kind_of<Dropout>()))
      found.push_back(*static_cast<Dropout*>(problem));
  return found;
}

bool Program::inputs_valid() const {
  for (const auto& call : calls_)
    if (!call->valid()) return false;
  return true;
}

void Program::run() const {
  const KeepAwake awake;
  for (const auto& call : calls_) call->run();
}

std::vector<Program::CallTime> Program::run_timed() const {
  using Clock = std::chrono::steady_clock;
  const KeepAwake awake;
  std::vector<CallTime> times;
  times.reserve(calls_.size());
  take_first_run();
  Clock::time_point before = Clock::now();
  for (const auto& call : calls_) {
    call->run();
    const Clock::time_point after = Clock::now();
    times.push_back({take_first_run(),
                     std::chrono::duration<double>(after - before).count()});
    before = after;
  }
  return times;
}

}  // namespace tw::cpu
