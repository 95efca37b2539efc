#pragma once
// A model's tensors as it declares them and as the ranks of a mesh share them: what `weft inspect --weights` prints.
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/weights/census.h"

namespace weft {

struct StoredTensor {
  std::string name;            // with "{e}" where there are several, one an expert
  int64_t tensors = 1;         // so many, numbered from 0
  std::vector<int64_t> shape;  // of each; of all experts in one: (experts * rows, columns)
  DType dtype;
  std::string component;  // "attention", "experts", ...
  const char* share;      // what ranks divide among them: "rows", "columns", "experts"; "none" if each holds all of it
  int64_t bytes = 0;      // of all of them, as stored
  std::vector<int64_t> rank_bytes;  // (world), what each rank holds
};

// Sorted by name, layers by number. otherwise: the type of matrices that no checkpoint is there to tell.
std::vector<StoredTensor> stored_tensors(const Census& census, DType otherwise);

}  // namespace weft
