#pragma once
// A model's size and needs, computed from its config and weight table alone: what `weft inspect` prints.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/core/dtype.h"
#include "parallel/mesh.h"
#include "runtime/models/config.h"
#include "runtime/models/weight_table.h"

namespace weft {

struct Anatomy {
  struct Component {
    std::string name;         // "attention", "experts", ...
    std::string kind;         // "GQA 9 query / 3 KV heads of 64, RoPE plain"
    int64_t parameters = 0;
    int64_t active = 0;       // per token
  };
  std::vector<Component> components;
  int64_t parameters = 0, active = 0;
  int64_t weight_bytes = 0;               // of the whole model as stored
  int64_t kv_bytes_per_token = 0;         // of the whole model at kv_dtype
  std::vector<int64_t> rank_weight_bytes; // (world)
  std::vector<int64_t> rank_kv_bytes_per_token;
};

// dtype_of gives a rule's stored type. mesh.rank is ignored.
Anatomy anatomy(const ModelConfig& config, const Mesh& mesh, DType kv_dtype,
                const std::function<DType(const WeightRule&)>& dtype_of);

}  // namespace weft
