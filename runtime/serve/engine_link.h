#pragma once
// How the coordinator reaches an engine, wherever it runs: in this process (LocalLink) or in a worker job
// (RemoteLink).
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "parallel/poll_until.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/request.h"

namespace weft {

// The engine takes requests. It knows none: what was submitted before it has to be submitted again.
struct EngineReady {
  std::string model_type, mesh, dtype, kv_dtype;
  int64_t vocab_size = 0, max_model_len = 0, hidden_size = 0;
  int n_layers = 0, n_experts = 0, threads = 1;
  int64_t weight_bytes = 0, kv_bytes = 0;  // of rank 0
  std::vector<int32_t> eos_token_ids;
};
EngineReady describe(const Engine& engine);

// The requests of the step that begins and of those after it, until the next such event: if the engine is lost, one of
// them may be the cause.
struct StepBegins {
  std::vector<RequestId> ids;
};

// The engine is gone and another is being started; EngineReady or EngineEnded follows.
struct EngineLost {
  std::string sentence;
};

// The last event. The sentence is empty after close().
struct EngineEnded {
  std::string sentence;
};

using EngineEvent = std::variant<EngineReady, StepBegins, std::vector<TokenEvent>, EngineStats, EngineLost, EngineEnded>;

// Tells a slow step from one that has stopped, from signs of life that come again and again.
class StepClock {
 public:
  // progress: a number that changes while any rank computes. After a pause between notes, in which this process was stopped itself,
  // as all are with their machine or container, the time begins anew.
  void note(bool stepping, uint64_t progress);
  double moved() const { return moved_; }  // now_s() when it last computed something or had nothing to do

 private:
  uint64_t progress_ = 0;
  double moved_ = now_s(), noted_ = moved_;
};
std::string stood_still(double seconds);  // the sentence about it

class EngineLink {
 public:
  virtual ~EngineLink() = default;

  // Any thread. Without effect while no engine is ready.
  virtual void submit(const Request& request) = 0;
  virtual void cancel(RequestId id) = 0;

  // Sleeps until the next event; one thread. After EngineLost nothing older arrives, and nothing that is
  // submitted before the next call reaches the new engine.
  virtual EngineEvent next() = 0;

  // Any thread: asks the engine to end. next() then returns EngineEnded.
  virtual void close() = 0;
};

}  // namespace weft
