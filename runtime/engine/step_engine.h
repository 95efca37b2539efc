#pragma once
// The Engine over any Model: what Engine::create() returns, and what tests build around a model of their own.
#include <unordered_map>

#include "parallel/groups.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/kv_cache.h"
#include "runtime/engine/runner.h"
#include "runtime/engine/sampler.h"
#include "runtime/engine/scheduler.h"
#include "runtime/engine/settings.h"

namespace weft {

// Bytes a rank's engine takes beside weights and KV cache.
int64_t workspace_bytes(const Model& model, const Settings& settings, ThreadPool& pool);

class StepEngine final : public Engine {
 public:
  // settings are equal on all ranks but for the rank itself. comm is taken only when the constructor can no longer
  // throw.
  StepEngine(Model model, std::unique_ptr<ThreadPool> pool, const Settings& settings, RankComm&& comm);
  ~StepEngine() override;  // rank 0 releases the other ranks if nobody did

  const EngineInfo& info() const override { return info_; }
  const ModelInfo& model() const override { return model_.info; }

  void submit(const Request& request) override;
  void cancel(RequestId id) override;
  bool has_work() const override { return scheduler_.has_work() || !cancelled_.empty(); }
  std::vector<TokenEvent> step() override;
  void on_step(std::function<void(std::span<const RequestId>)> begins) override { step_begins_ = std::move(begins); }
  EngineStats stats() const override;
  void score(const std::vector<int32_t>& ids, float* out) override;
  void stop_ranks() override;
  void serve_steps() override;

  void check_integrity() const;  // CheckError unless scheduler, blocks and requests agree

 private:
  struct Active {  // a request that has not ended
    SamplingParams sampling;
    bool ignore_eos = false;
    bool logits = false;
    int n_generated = 0;  // of the ids it came with
    int64_t left = 0;     // tokens that may still be generated
    bool begun = false;   // the ranks know how to draw for it
    uint64_t fingerprint = 0;
  };

  void check_request(const Request& request) const;
  void ask_for_tokens(StepPlan& plan);
  Sampler::Drawn run(const StepPlan& plan);      // on all ranks; rank 0's part
  Sampler::Drawn compute(const StepPlan& plan);  // every rank's part
  void echo(const StepPlan& plan, Tensor logits);
  void take(TokenEvent& event, int32_t token);
  void forget(RequestId id);
  bool is_eos(int32_t token) const;
  template <class Fn>
  auto abort_on_error(Fn&& fn);

  Parallel parallel(Arithmetic a) { return {groups_.tp(), groups_.ep(), context_, a}; }

  Model model_;
  std::unique_ptr<ThreadPool> pool_;
  EngineInfo info_;
  Arena workspace_;
  Context context_;
  KvCache kv_;
  Groups groups_;
  Runner runner_;
  Sampler sampler_;
  Scheduler scheduler_;
  int64_t score_rows_;
  std::unordered_map<RequestId, Active> active_;
  std::vector<float> echoed_;  // on rank 0: (rows, vocab), the logits that the last plan wants
  std::function<void(std::span<const RequestId>)> step_begins_ = [](std::span<const RequestId>) {};
  std::vector<TokenEvent> cancelled_;  // to be told by the next step()
  EngineStats stats_;
  bool ranks_released_ = false;  // the others follow no more plans: stopped, or a step failed
  RankComm comm_;                // last, see the constructor
};

}  // namespace weft
