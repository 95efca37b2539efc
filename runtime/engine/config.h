#pragma once
// Engine settings: the flags common to every command that runs a model, resolved to what the machine and the
// model allow.
#include <cstdint>
#include <optional>
#include <string>

#include "kernels/core/dtype.h"
#include "parallel/mesh.h"

namespace weft {

struct EngineConfig {
  MeshRequest mesh;
  std::string dtype = "auto";     // auto | f32 | bf16 | f16 | q8
  std::string kv_dtype = "auto";  // auto | f32 | f16 | bf16
  std::string device = "auto";    // auto | cpu | cuda
  int threads = 0;                // per rank; 0: this rank's share of the CPUs
  int64_t max_model_len = 0;      // 0: the model's own, at most 8192 (says so in the log)
  int max_seqs = 64;
  int max_batch_tokens = 512;  // rows of a step: prefill chunks and decode rows together
  // Rows that a rank computes experts for at one time; more take further rounds. 0: see default_expert_capacity().
  int64_t expert_capacity = 0;
  // Bytes for the KV cache of this rank; 0: what max_model_len and max_seqs need, at most this rank's share
  // of a quarter of the memory this machine or container has, and no more than weights and workspace leave.
  int64_t kv_memory = 0;
  int block_size = 32;  // positions a block
};

}  // namespace weft
