#pragma once
// What rank 0 tells all ranks to run next: one small message. Everything a rank needs to build its StepInput.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/sample/sample.h"

namespace weft {

struct StepPlan {
  struct Chunk {           // consecutive rows of one sequence
    int32_t sequence = 0;  // the index it keeps until it ends: its row of the block table, its parameters
    int32_t start = 0;     // position of the first row
    int32_t n_tokens = 0;
    bool draw = false;        // a token is drawn from the last row's logits
    bool echo = false;        // of them rank 0 wants the values
    bool all_logits = false;  // rank 0 wants the values of every row's logits (score)
    int32_t first_block = 0;  // where these begin in its row of the block table; what lies before, earlier plans have told
    std::vector<int32_t> new_blocks;
  };
  struct Begin {           // of a sequence whose first token is drawn in this step
    int32_t sequence = 0;  // its index; whoever had it before has ended
    SamplingParams sampling;
    int32_t n_generated = 0;   // the last of ids were not in the prompt
    std::vector<int32_t> ids;  // known so far; empty if nothing penalises them
  };
  uint64_t step = 0;
  bool stop = false;            // no work: the ranks leave their loop
  std::vector<int32_t> tokens;  // rows of all chunks in order
  std::vector<Chunk> chunks;
  std::vector<Begin> begins;

  std::vector<std::byte> serialise() const;
  // Every length is checked against the message; malformed input is a CheckError.
  static StepPlan deserialise(std::span<const std::byte> message);
};

}  // namespace weft
