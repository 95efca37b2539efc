#pragma once
// What `weft inspect` found out, and its two ways to say it.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernels/core/dtype.h"
#include "parallel/mesh.h"
#include "runtime/models/anatomy.h"
#include "runtime/models/model.h"
#include "runtime/models/stored_tensors.h"

namespace weft {

struct Inspection {
  struct Stored {
    int64_t tensors = 0, parameters = 0, bytes = 0;
  };
  // Of a KV cache for max_seqs sequences of max_model_len tokens.
  struct Need {
    int64_t max_model_len, max_seqs;
    int64_t kv_bytes;          // of the whole model
    int64_t rank_bytes;        // weights and KV cache of the rank that has most
    std::optional<bool> fits;  // in the memory asked about
    std::optional<int> ranks;  // the fewest on which it fits
  };
  std::string path;
  ModelInfo config;
  Mesh mesh;
  DType kv_dtype;
  Anatomy anatomy;
  std::map<std::string, Stored> types;  // by name; empty if only the config is there
  std::vector<Need> needs;
  std::vector<StoredTensor> tensors;  // if asked for
};

// memory: bytes a rank that were asked about, or 0.
void print_details(const Inspection& model);
void print_table(const std::vector<Inspection>& models, int64_t memory);
void print_json(const Inspection& model, int64_t memory);  // one line

}  // namespace weft
