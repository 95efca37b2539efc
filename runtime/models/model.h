#pragma once
// One rank's part of a model: its blocks, the memory they point into, and the forward pass of a ragged step over a paged KV
// cache.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/layers/stream.h"
#include "runtime/weights/census.h"
#include "runtime/weights/model_files.h"

namespace weft {

// A part of a model that reads the stream and adds to it. Embedding, layers, and final norm with the logits: all are blocks.
struct Block {
  virtual ~Block() = default;
  virtual void operator()(Stream& h) const = 0;
};

struct ModelInfo {
  std::string model_type;
  int64_t vocab_size = 0, hidden_size = 0;
  int n_layers = 0;
  int64_t max_position_embeddings = 0;
  int64_t trained_length = 0;     // longest sequence it was trained for, after RoPE scaling
  std::string dtype = "float32";  // the checkpoint's own type, in PyTorch's words
  std::vector<int32_t> eos_token_ids;
  std::optional<int32_t> bos_token_id;
  int n_experts = 0;  // a layer; 0: dense
  int experts_per_token = 0;
  int max_tp = 1;     // ranks that can share its attention
};

// Largest step a model must be ready for; memory is sized from it once.
struct StepLimits {
  int64_t max_tokens = 0;  // rows of a step
  int64_t max_rows = 0;    // logit rows of a step
  int64_t expert_capacity = 0;  // rows that a rank computes experts for at one time (ExpertExchange)
};

struct Model {
  ModelInfo info;
  std::vector<std::unique_ptr<Block>> stack;
  std::vector<Paged> paged;       // by CacheId
  std::vector<TableForm> tables;  // by TableId
  std::vector<std::vector<HeadGroup>> schedules;  // by ScheduleId
  std::unique_ptr<Weights> weights = std::make_unique<Weights>();

  // logits: (rows, vocab_slice) f32, of this rank. kv: by CacheId.
  void forward(Tensor logits, const StepInput& in, std::span<const PagedKv> kv, Parallel& p) const;
  // Bytes of workspace that takes at most on this rank for steps within `limits`: what forward passes take that compute nothing.
  int64_t workspace(const StepLimits& limits, const Mesh& mesh, Arithmetic a, ThreadPool& pool) const;
  const std::deque<RouterStats>& routers() const { return weights->routers; }  // of finished steps, one a MoE layer; none: dense
};

// Builds the architecture that `files` name into `census`, which learns what it declares. Unknown architectures and
// contradictory or unsupported keys are refused by name. What the modules point to is filled by Loader::read().
Model make_model(Census& census, const ModelFiles& files);

// What it is, found by building it for one rank without weights.
ModelInfo info_of(const ModelFiles& files);

// All architectures Weft knows, for --help and errors.
std::vector<std::string> known_model_types();

}  // namespace weft
