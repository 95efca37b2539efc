#pragma once
// Token pieces by id and ids by piece. Pieces lie in one block of memory and the hash table is one flat
// array, so that building it for 50,000 pieces takes a few milliseconds.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

inline constexpr int32_t kNoToken = -1;
// Ids index arrays: a corrupt file must not make us allocate by its largest number.
inline constexpr int32_t kMaxVocabulary = 1 << 24;

class Vocabulary {
 public:
  // Gives piece its id. Ids may come in any order and leave gaps. A piece that already has an id keeps it for
  // find(); an empty piece leaves its id a gap; an id that already has another piece is refused.
  void add(std::string_view piece, int32_t id);
  void reserve(size_t pieces);

  int32_t find(std::string_view piece) const;                           // kNoToken where there is none
  std::string_view piece(int32_t id) const;                             // empty for a gap
  int32_t size() const { return static_cast<int32_t>(spans_.size()); }  // largest id + 1

 private:
  struct Span {
    uint32_t begin = 0, length = 0;
  };
  size_t slot_of(std::string_view piece) const;
  void rehash(size_t slots);

  std::string text_;
  std::vector<Span> spans_;     // by id
  std::vector<int32_t> slots_;  // open addressing, size a power of two; kNoToken is free
  size_t used_ = 0;
};

}  // namespace weft
