#include "runtime/serve/engine_loop.h"

#include <algorithm>
#include <chrono>

#include "kernels/core/check.h"

namespace weft {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto stats_interval = std::chrono::milliseconds(500);

void apply(Engine& engine, const EngineCommand& command, const std::function<void(EngineEvent)>& emit) {
  if (const auto* id = std::get_if<RequestId>(&command)) return engine.cancel(*id);
  const Request& request = std::get<Request>(command);
  try {
    engine.submit(request);
  } catch (const InputError& e) {
    emit(std::vector<TokenEvent>{{.id = request.id, .finish = FinishReason::error, .error = e.what()}});
  }
}

}  // namespace

EngineReady describe(const Engine& engine) {
  const EngineInfo& info = engine.info();
  const ModelInfo& model = engine.model();
  return {.model_type = model.model_type,
          .mesh = info.mesh.describe(),
          .dtype = name(info.arithmetic),
          .kv_dtype = name(info.kv_dtype),
          .vocab_size = model.vocab_size,
          .max_model_len = info.max_model_len,
          .hidden_size = model.hidden_size,
          .n_layers = model.n_layers,
          .n_experts = model.n_experts,
          .threads = info.threads,
          .weight_bytes = info.weight_bytes,
          .kv_bytes = info.kv_bytes,
          .eos_token_ids = model.eos_token_ids};
}

void run_engine(Engine& engine, CommandQueue& commands, const std::function<void(EngineEvent)>& emit, std::atomic<bool>& stepping) {
  std::vector<RequestId> computed;  // by the last step
  engine.on_step([&](std::span<const RequestId> ids) {
    if (std::equal(ids.begin(), ids.end(), computed.begin(), computed.end())) return;
    computed.assign(ids.begin(), ids.end());
    emit(StepBegins{computed});
  });
  emit(describe(engine));
  std::vector<EngineCommand> taken;
  Clock::time_point stats_due = Clock::now();
  while (commands.take(taken, !engine.has_work())) {
    for (const EngineCommand& command : taken) apply(engine, command, emit);
    if (!engine.has_work()) continue;
    stepping = true;
    std::vector<TokenEvent> events = engine.step();
    stepping = false;
    const Clock::time_point now = Clock::now();
    if (now >= stats_due || !engine.has_work()) {  // before the events: who saw an answer's end sees it counted
      emit(engine.stats());
      stats_due = now + stats_interval;
    }
    if (!events.empty()) emit(std::move(events));
  }
}

void StepClock::note(bool stepping, uint64_t progress) {
  constexpr double pause_s = 1.5;
  const double now = now_s();
  if (!stepping || progress != progress_ || now > noted_ + pause_s) moved_ = now;
  progress_ = progress;
  noted_ = now;
}

std::string stood_still(double seconds) { return cat("a step made no progress for ", seconds, " s (--step-timeout)"); }

void LocalLink::run(Engine& engine) {
  run_engine(engine, commands_, [&](EngineEvent event) { events_.push(std::move(event)); }, stepping_);
  events_.push(EngineEnded{});
}

void LocalLink::fail(const std::string& sentence) { events_.push(EngineEnded{sentence}); }

EngineEvent LocalLink::next() {
  if (next_ == taken_.size()) {
    events_.take(taken_, true);
    next_ = 0;
  }
  return std::move(taken_[next_++]);
}

void LocalLink::close() { commands_.close(); }

}  // namespace weft
