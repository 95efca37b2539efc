#pragma once
// The step loop of one job. Every rank builds an Engine with its own RankComm; ranks other than 0 call
// serve_steps() and follow rank 0's plans; rank 0 submits requests and calls step(). Only the thread that
// made the Engine may call it.
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "parallel/communicator.h"
#include "runtime/engine/config.h"
#include "runtime/engine/request.h"
#include "runtime/models/model.h"
#include "runtime/weights/loader.h"

namespace weft {

// What a model and settings resolve to; equal on all ranks.
struct EngineInfo {
  Mesh mesh;
  Arithmetic arithmetic = Arithmetic::f32;
  DType kv_dtype = DType::f32;
  int threads = 1;
  int64_t max_model_len = 0;
  int64_t kv_blocks = 0, block_size = 0;                        // the minimum over ranks
  int64_t weight_bytes = 0, workspace_bytes = 0, kv_bytes = 0;  // of this rank
  Loaded loaded;                                                // of all ranks together
};

// The sentence about logits with NaN or infinity after `tokens` tokens of a sequence.
std::string not_finite(int64_t tokens, const EngineInfo& info);

// What submit() says of a prompt: it refuses none, ids out of range, and one that leaves no room under max_model_len.
void check_prompt(std::span<const int32_t> ids, int64_t vocab_size, int64_t max_model_len);

struct EngineStats {
  int64_t running = 0, waiting = 0, free_blocks = 0, total_blocks = 0;
  int64_t prompt_tokens = 0, generated_tokens = 0, steps = 0, preemptions = 0;
  int64_t cached_tokens = 0;      // positions whose K and V came from the prefix cache
  std::vector<RouterStats> router_layers;  // in their order; none for dense models
  RouterStats router;                      // their sum
  Communicator::Traffic traffic;  // of this rank
};

class Engine {
 public:
  // Loads this rank's weights and sizes the KV cache. All ranks must have the same files (as far as file_traits() sees) and
  // settings. An error on one rank (bad file, not enough memory, a difference) is agreed on by all: every rank throws the same
  // sentence. Before any weight is read, rank 0 calls `prepare` with the model and the max_model_len it will have; what it
  // throws is such an error.
  using Prepare = std::function<void(const ModelInfo& model, int64_t max_model_len)>;
  static std::unique_ptr<Engine> create(const std::string& model_path, const EngineConfig& config, RankComm comm,
                                        const Prepare& prepare = {});
  virtual ~Engine() = default;

  virtual const EngineInfo& info() const = 0;
  virtual const ModelInfo& model() const = 0;

  // rank 0 ------------------------------------------------------------------
  // Refuses (InputError) an empty prompt, ids out of range, a prompt with no room under max_model_len, absurd
  // parameters. max_tokens is cut to what max_model_len leaves.
  virtual void submit(const Request& request) = 0;
  virtual void cancel(RequestId id) = 0;  // unknown ids are ignored: the request may just have finished
  virtual bool has_work() const = 0;
  virtual std::vector<TokenEvent> step() = 0;  // one forward pass over all ranks; no-op without work
  // step() calls `begins` with the requests it is about to compute.
  virtual void on_step(std::function<void(std::span<const RequestId>)> begins) = 0;
  virtual EngineStats stats() const = 0;
  // Raw logits of every position of `ids`: out (ids.size(), vocab), prefill in chunks; only while has_work()
  // is false.
  virtual void score(const std::vector<int32_t>& ids, float* out) = 0;
  virtual void stop_ranks() = 0;  // releases the other ranks from serve_steps(); once

  // other ranks ------------------------------------------------------------
  virtual void serve_steps() = 0;
};

}  // namespace weft
