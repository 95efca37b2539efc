#pragma once
// Byte-pair encoding: a word is split into characters, then the pair of neighbours with the best rank is
// merged, the leftmost first, until no pair is in the merge table. Source: Sennrich et al. 2016,
// arXiv:1508.07909. The same engine runs SentencePiece's BPE, whose ranks follow from the scores of the
// pieces.
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/text/vocabulary.h"

namespace weft {

struct Merge {
  int32_t rank;
  int32_t id;  // the token that the pair becomes
};

// (left id, right id) -> Merge: one flat hash table.
class MergeTable {
 public:
  explicit MergeTable(size_t merges = 0);
  void add(int32_t left, int32_t right, Merge merge);  // a pair given twice: the later one counts
  const Merge* find(int32_t left, int32_t right) const;

 private:
  struct Slot {
    uint64_t pair;
    Merge merge;
  };
  size_t slot_of(uint64_t pair) const;

  std::vector<Slot> slots_;  // open addressing, size a power of two
  size_t used_ = 0;
};

struct BpeOptions {
  bool ignore_merges = false;  // a word that is a token as a whole stays one, whatever the merges say (Llama 3)
  bool byte_fallback = false;  // a character without a token becomes the tokens <0xXX> of its bytes (Llama 2)
  bool fuse_unk = false;       // neighbouring unknown characters become one unknown token
  int32_t unk = kNoToken;      // kNoToken: unknown characters are dropped
};

class Bpe {
 public:
  // What one call needs to remember; reused between words to save allocations, one for each thread.
  struct Workspace {
    struct Symbol {
      int32_t id;  // kNoToken once merged into its left neighbour
      int32_t previous, next;
    };
    struct Candidate {
      int32_t rank, position, id;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  Bpe(Vocabulary vocabulary, MergeTable merges, BpeOptions options);

  // Appends the tokens of a word (valid UTF-8, under 2 GiB). O(n log n) in its length.
  void encode(std::string_view word, std::vector<int32_t>& ids, Workspace& workspace) const;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  const BpeOptions& options() const { return options_; }

 private:
  void split(std::string_view word, Workspace& workspace) const;
  void merge(Workspace& workspace) const;
  void propose(int32_t position, Workspace& workspace) const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  std::vector<int32_t> byte_tokens_;  // 256 ids of <0x00> ... <0xFF>, kNoToken where missing; empty without byte_fallback
};

}  // namespace weft
