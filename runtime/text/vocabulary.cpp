#include "runtime/text/vocabulary.h"

#include <bit>
#include <functional>

#include "kernels/core/check.h"

namespace weft {

void Vocabulary::reserve(size_t pieces) {
  spans_.reserve(pieces);
  text_.reserve(8 * pieces);
  if (2 * pieces > slots_.size()) rehash(std::bit_ceil(2 * pieces));
}

void Vocabulary::add(std::string_view piece, int32_t id) {
  if (id < 0 || id >= kMaxVocabulary) {
    bad_input("token '", piece, "' has id ", id, "; ids lie between 0 and ", kMaxVocabulary - 1);
  }
  if (id >= size()) spans_.resize(id + 1);
  if (piece.empty()) return;
  if (spans_[id].length != 0) {
    bad_input("token id ", id, " is given to both '", this->piece(id), "' and '", piece, "'");
  }
  spans_[id] = {static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(piece.size())};
  text_ += piece;
  if (2 * (used_ + 1) > slots_.size()) rehash(std::bit_ceil(4 * (used_ + 8)));
  int32_t& slot = slots_[slot_of(piece)];
  if (slot == kNoToken) {
    slot = id;
    ++used_;
  }
}

int32_t Vocabulary::find(std::string_view piece) const { return slots_.empty() ? kNoToken : slots_[slot_of(piece)]; }

std::string_view Vocabulary::piece(int32_t id) const {
  return std::string_view(text_).substr(spans_[id].begin, spans_[id].length);
}

// The slot that holds the piece, or the free one where it belongs.
size_t Vocabulary::slot_of(std::string_view piece) const {
  size_t slot = std::hash<std::string_view>{}(piece) & (slots_.size() - 1);
  while (slots_[slot] != kNoToken && this->piece(slots_[slot]) != piece) slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

void Vocabulary::rehash(size_t slots) {
  const std::vector<int32_t> old = std::move(slots_);
  slots_.assign(slots, kNoToken);
  for (const int32_t id : old) {
    if (id != kNoToken) slots_[slot_of(piece(id))] = id;
  }
}

}  // namespace weft
