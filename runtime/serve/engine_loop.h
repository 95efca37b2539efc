#pragma once
// The loop of the thread that owns rank 0's engine, and the link to an engine in this process.
#include <atomic>
#include <functional>
#include <variant>

#include "runtime/serve/engine_link.h"
#include "runtime/serve/queue.h"

namespace weft {

using EngineCommand = std::variant<Request, RequestId>;  // submit | cancel
using CommandQueue = Queue<EngineCommand>;

// Emits EngineReady, then follows the commands and steps while there is work, sleeping otherwise, until the
// queue is closed. Requests that run then are dropped. StepBegins is emitted before a step that computes other
// requests than the last one, statistics twice a second while it works and when it has none left. A request the
// engine refuses ends with an event of FinishReason::error. What a step throws passes through. stepping: true
// during steps, for other threads to read.
void run_engine(Engine& engine, CommandQueue& commands, const std::function<void(EngineEvent)>& emit, std::atomic<bool>& stepping);

class LocalLink final : public EngineLink {
 public:
  // On the engine's own thread, until close(). What a step throws passes through.
  void run(Engine& engine);
  // Any thread: there is no engine, or no more.
  void fail(const std::string& sentence);
  bool stepping() const { return stepping_; }

  void submit(const Request& request) override { commands_.push(request); }
  void cancel(RequestId id) override { commands_.push(id); }
  EngineEvent next() override;
  void close() override;

 private:
  CommandQueue commands_;
  std::atomic<bool> stepping_ = false;
  Queue<EngineEvent> events_;
  std::vector<EngineEvent> taken_;  // from events_, in order; the first next_ of them were returned
  size_t next_ = 0;
};

}  // namespace weft
