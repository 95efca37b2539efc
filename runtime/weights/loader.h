#pragma once
// A census that can also read what was declared: this rank's slices of every tensor, and nothing else of the files.
#include "runtime/weights/census.h"

namespace weft {

// Bytes of the checkpoint that a rank read, and those it holds something of: its rows and columns in the stored type. Columns are
// whole blocks, and those of plain types begin at a multiple of 32, on the grid in which activations are quantised.
struct Loaded {
  int64_t read = 0, kept = 0;
};

class Loader final : public Census {
 public:
  using Census::Census;
  // After check(). Fills what the modules point to, the weights that were taken, in the order of the files on all threads.
  Loaded read(Weights& weights, ThreadPool& pool) const;
};

}  // namespace weft
