#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "parallel/mesh.h"

namespace weft {

struct InspectOptions {
  std::vector<std::string> paths;  // Hugging Face directories, config.json or GGUF files
  MeshRequest mesh;
  std::string kv_dtype = "auto";
  std::vector<int64_t> max_model_len,
      max_seqs;        // whose KV cache is counted, every combination; empty: the engine's defaults
  int64_t memory = 0;  // bytes a rank; 0: not asked
  bool weights = false;  // every tensor too
  bool json = false;
};

// Prints models' components, parameters, stored types, and memory per rank. Reads no weights.
int run_inspect(const InspectOptions& options);

}  // namespace weft
