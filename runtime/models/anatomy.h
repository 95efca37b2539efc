#pragma once
// A model's size and needs, from what it declares alone: what `weft inspect` prints.
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/core/dtype.h"
#include "runtime/weights/census.h"

namespace weft {

struct Anatomy {
  struct Component {
    std::string name;         // "attention", "experts", ...
    std::string kind;         // "30 x GQA, 9 query and 3 KV heads of 64, RoPE plain theta 10000"
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

// otherwise: the type of tensors that no checkpoint is there to tell.
Anatomy anatomy(const Census& census, DType kv_dtype, DType otherwise);

}  // namespace weft
