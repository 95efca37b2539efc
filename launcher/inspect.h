#pragma once
#include <string>

#include "parallel/mesh.h"

namespace weft {

struct InspectOptions {
  std::string path;        // Hugging Face directory, config.json or GGUF file
  MeshRequest mesh;
  std::string kv_dtype = "auto";
  bool json = false;
};

// Prints a model's components, parameters, and memory per rank. Reads no weights.
int run_inspect(const InspectOptions& options);

}  // namespace weft
