#pragma once
// What rank 0 tells all ranks to run next: one small message. Everything a rank needs to build its StepInput.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weft {

struct StepPlan {
  struct Chunk {        // consecutive rows of one sequence
    int32_t start = 0;  // position of the first row
    int32_t n_tokens = 0;
    bool logits = false;          // the last row's logits are wanted
    bool all_logits = false;      // every row's logits are wanted (score)
    std::vector<int32_t> blocks;  // its block table, covering start + n_tokens positions
  };
  uint64_t step = 0;
  bool stop = false;            // no work: the ranks leave their loop
  std::vector<int32_t> tokens;  // rows of all chunks in order
  std::vector<Chunk> chunks;

  std::vector<std::byte> serialise() const;
  // Every length is checked against the message; malformed input is a CheckError.
  static StepPlan deserialise(std::span<const std::byte> message);
};

}  // namespace weft
