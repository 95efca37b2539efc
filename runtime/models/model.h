#pragma once
// One rank's part of a model: its weights, and the forward pass of a ragged step over a paged KV cache.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "parallel/expert_dispatch.h"
#include "parallel/linear_tp.h"
#include "parallel/mesh.h"
#include "runtime/layers/step.h"
#include "runtime/models/config.h"
#include "runtime/weights/checkpoint.h"

namespace weft {

// Largest step a model must be ready for; memory is sized from it once.
struct StepLimits {
  int64_t max_tokens = 0;  // rows of a step
  int64_t max_rows = 0;    // logit rows of a step
};

class Model {
 public:
  virtual ~Model() = default;

  // Reads this rank's slices only. Ends by proving that no tensor is missing, unused or of the wrong shape.
  static std::unique_ptr<Model> load(Checkpoint& checkpoint, const ModelConfig& config, const Mesh& mesh, ThreadPool& pool);

  virtual const ModelConfig& config() const = 0;
  // One layer's KV heads on this rank (>= 1) — the cache is (blocks, heads, head_dim, block) a layer.
  virtual int kv_heads() const = 0;
  virtual int64_t weight_bytes() const = 0;
  virtual const RouterStats* router_stats() const = 0;  // nullptr: dense

  // logits: (rows, vocab) f32 on rank 0; other ranks pass an empty tensor. kv: one PagedKv a layer.
  virtual void forward(Tensor logits, const StepInput& step, std::span<const PagedKv> kv, Parallel& p) = 0;
  // Bytes of workspace forward() takes at most.
  virtual int64_t workspace(const StepLimits& limits, int ranks, Arithmetic a, int threads) const = 0;
};

// Reads and checks a model's config.json text: unknown architectures and contradictory or unsupported keys are refused
// by name. The EOS ids of generation_config, if it names some, replace those of config.
ModelConfig read_model_config(const std::string& config_json, const std::string& generation_config_json);

// The same of a checkpoint, and what only its tensors say: whether the head is the embedding, which biases a GGUF has.
ModelConfig read_model_config(Checkpoint& checkpoint);
// Every tensor of the architecture is there in its shape, and no other: missing, misshapen, unused ones and those of an
// unreadable type are refused by name. Model::load() does this first.
void check_tensors(const Checkpoint& checkpoint, const ModelConfig& config);

// All architectures Weft knows, for --help and errors.
std::vector<std::string> known_model_types();

}  // namespace weft
