#include "runtime/text/bpe.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <limits>
#include <utility>

#include "runtime/text/utf8.h"

namespace weft {
namespace {

constexpr uint64_t kFreeSlot = std::numeric_limits<uint64_t>::max();

uint64_t pair_key(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

}  // namespace

MergeTable::MergeTable(size_t merges) : slots_(std::bit_ceil(2 * merges + 2), Slot{kFreeSlot, {}}) {}

size_t MergeTable::slot_of(uint64_t pair) const {
  // Fibonacci hashing: the high half of the product mixes both ids.
  size_t slot = ((pair * 0x9E3779B97F4A7C15u) >> 32) & (slots_.size() - 1);
  while (slots_[slot].pair != kFreeSlot && slots_[slot].pair != pair) slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

void MergeTable::add(int32_t left, int32_t right, Merge merge) {
  const uint64_t pair = pair_key(left, right);
  Slot& slot = slots_[slot_of(pair)];
  if (slot.pair == kFreeSlot) ++used_;
  slot = {pair, merge};
  if (2 * used_ <= slots_.size()) return;
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(2 * slots_.size(), Slot{kFreeSlot, {}}));
  for (const Slot& moved : old) {
    if (moved.pair != kFreeSlot) slots_[slot_of(moved.pair)] = moved;
  }
}

const Merge* MergeTable::find(int32_t left, int32_t right) const {
  const Slot& slot = slots_[slot_of(pair_key(left, right))];
  return slot.pair == kFreeSlot ? nullptr : &slot.merge;
}

Bpe::Bpe(Vocabulary vocabulary, MergeTable merges, BpeOptions options)
    : vocabulary_(std::move(vocabulary)), merges_(std::move(merges)), options_(options) {
  if (!options_.byte_fallback) return;
  for (int byte = 0; byte < 256; ++byte) {
    char piece[8];
    std::snprintf(piece, sizeof piece, "<0x%02X>", byte);
    byte_tokens_.push_back(vocabulary_.find(piece));
  }
}

void Bpe::encode(std::string_view word, std::vector<int32_t>& ids, Workspace& workspace) const {
  if (options_.ignore_merges) {
    if (const int32_t id = vocabulary_.find(word); id != kNoToken) {
      ids.push_back(id);
      return;
    }
  }
  split(word, workspace);
  merge(workspace);
  for (const Workspace::Symbol& symbol : workspace.symbols) {
    if (symbol.id != kNoToken) ids.push_back(symbol.id);
  }
}

// The initial symbols: one a character, or one a byte where the character has no token.
void Bpe::split(std::string_view word, Workspace& workspace) const {
  auto& symbols = workspace.symbols;
  symbols.clear();
  const auto push = [&](int32_t id) {
    const int32_t at = static_cast<int32_t>(symbols.size());
    symbols.push_back({id, at - 1, at + 1});
  };
  bool after_unk = false;
  for (size_t at = 0; at < word.size();) {
    const std::string_view character = word.substr(at, utf8_at(word, at).length);
    at += character.size();
    if (const int32_t id = vocabulary_.find(character); id != kNoToken) {
      push(id);
      after_unk = false;
      continue;
    }
    const auto byte_token = [&](char c) { return byte_tokens_[static_cast<unsigned char>(c)]; };
    if (options_.byte_fallback && std::ranges::none_of(character, [&](char c) { return byte_token(c) == kNoToken; })) {
      for (const char c : character) push(byte_token(c));
      after_unk = false;
    } else if (options_.unk != kNoToken) {
      if (!(options_.fuse_unk && after_unk)) push(options_.unk);
      after_unk = true;
    }
  }
  if (!symbols.empty()) symbols.back().next = kNoToken;
}

static bool worse(const Bpe::Workspace::Candidate& a, const Bpe::Workspace::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

// Puts the pair that begins at position on the heap, if it can merge.
void Bpe::propose(int32_t position, Workspace& workspace) const {
  const auto& symbol = workspace.symbols[position];
  if (symbol.next == kNoToken) return;
  const Merge* merge = merges_.find(symbol.id, workspace.symbols[symbol.next].id);
  if (merge == nullptr) return;
  workspace.heap.push_back({merge->rank, position, merge->id});
  std::ranges::push_heap(workspace.heap, worse);
}

void Bpe::merge(Workspace& workspace) const {
  auto& [symbols, heap] = workspace;
  heap.clear();
  for (size_t i = 0; i < symbols.size(); ++i) propose(static_cast<int32_t>(i), workspace);
  while (!heap.empty()) {
    std::ranges::pop_heap(heap, worse);
    const Workspace::Candidate best = heap.back();
    heap.pop_back();
    Workspace::Symbol& left = symbols[best.position];
    if (left.id == kNoToken || left.next == kNoToken) continue;
    Workspace::Symbol& right = symbols[left.next];
    // A candidate is stale when one of its two symbols has merged with something else since.
    const Merge* merge = merges_.find(left.id, right.id);
    if (merge == nullptr || merge->id != best.id) continue;
    left.id = best.id;
    right.id = kNoToken;
    left.next = right.next;
    if (left.next != kNoToken) symbols[left.next].previous = best.position;
    if (left.previous != kNoToken) propose(left.previous, workspace);
    propose(best.position, workspace);
  }
}

}  // namespace weft
