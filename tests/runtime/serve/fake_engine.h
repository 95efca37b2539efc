#pragma once
// An engine without a model, and a link to it that can lose it at any time. Each token is a hash of
// everything before it: a request that is replayed with one token missing, doubled or out of place gives
// another answer.
#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "kernels/core/check.h"
#include "runtime/serve/engine_loop.h"

namespace weft {

constexpr int64_t fake_vocab = 96, fake_max_model_len = 512;

inline int32_t fake_token(const std::vector<int32_t>& ids, uint64_t seed) {
  uint64_t hash = 1469598103934665603ull ^ seed;
  for (const int32_t id : ids) hash = (hash ^ static_cast<uint64_t>(id)) * 1099511628211ull;
  return static_cast<int32_t>((hash >> 20) % fake_vocab);
}

// What the engine answers to a request.
inline std::vector<int32_t> fake_answer(std::vector<int32_t> prompt, int n, uint64_t seed) {
  std::vector<int32_t> answer;
  for (int i = 0; i < n; ++i) {
    answer.push_back(fake_token(prompt, seed));
    prompt.push_back(answer.back());
  }
  return answer;
}

class FakeEngine final : public Engine {
 public:
  explicit FakeEngine(std::chrono::microseconds step_time = {}) : step_time_(step_time) {
    info_.max_model_len = fake_max_model_len;
    model_.model_type = "fake";
    model_.vocab_size = fake_vocab;
  }

  const EngineInfo& info() const override { return info_; }
  const ModelInfo& model() const override { return model_; }
  void submit(const Request& request) override {
    if (request.prompt[0] == poison) bad_input("the engine does not like token id ", poison);
    WEFT_CHECK(request.n_generated < request.max_tokens, "nothing left to do");
    active_[request.id] = request;
    stats_.prompt_tokens += static_cast<int64_t>(request.prompt.size());
  }
  void cancel(RequestId id) override {
    if (active_.erase(id)) events_.push_back({.id = id, .finish = FinishReason::cancelled, .error = {}});
  }
  bool has_work() const override { return !active_.empty() || !events_.empty(); }
  void on_step(std::function<void(std::span<const RequestId>)> begins) override { step_begins_ = std::move(begins); }
  std::vector<TokenEvent> step() override {
    std::vector<RequestId> computed;
    for (const auto& [id, request] : active_) computed.push_back(id);
    step_begins_(computed);
    for (const auto& [id, request] : active_)
      if (request.prompt[0] == deadly || (request.prompt[0] == restless && ++restless_steps_ > restless_tokens))
        throw Death();
    std::this_thread::sleep_for(step_time_);
    std::vector<TokenEvent> events = std::exchange(events_, {});
    std::vector<RequestId> ended;
    for (auto& [id, request] : active_) {
      TokenEvent event;
      event.id = id;
      event.token = fake_token(request.prompt, request.sampling.seed);
      request.prompt.push_back(event.token);
      ++stats_.generated_tokens;
      if (++request.n_generated == request.max_tokens || static_cast<int64_t>(request.prompt.size()) == fake_max_model_len) {
        event.finish = FinishReason::length;
        event.fingerprint = 7;
        ended.push_back(id);
      }
      events.push_back(event);
    }
    for (const RequestId id : ended) active_.erase(id);
    stats_.running = static_cast<int64_t>(active_.size());
    return events;
  }
  EngineStats stats() const override { return stats_; }
  void score(const std::vector<int32_t>&, float*) override {}
  void stop_ranks() override {}
  void serve_steps() override {}

  // As the first id of a prompt: it is refused; a step of it kills; a step kills after some that gave it tokens.
  static constexpr int32_t poison = 95, deadly = 94, restless = 93;
  static constexpr int restless_tokens = 3;
  struct Death {};

 private:
  const std::chrono::microseconds step_time_;
  EngineInfo info_;
  ModelInfo model_;
  std::map<RequestId, Request> active_;
  std::function<void(std::span<const RequestId>)> step_begins_;
  std::vector<TokenEvent> events_;
  EngineStats stats_;
  int restless_steps_ = 0;
};

// Runs a FakeEngine on a thread; lose() takes it away in the middle of whatever it does, and next() starts
// another.
class FakeLink final : public EngineLink {
 public:
  explicit FakeLink(std::chrono::microseconds step_time = {}) : step_time_(step_time) { start(); }
  std::function<void(const Request&)> on_submit;  // before it is passed on
  ~FakeLink() override { stop(); }

  bool lose() {  // false: it is lost already
    std::lock_guard lock(mutex_);
    if (!life_->alive) return false;
    life_->alive = false;
    events_.push(EngineLost{"the test took it"});
    return true;
  }
  void end(const std::string& sentence) {
    std::lock_guard lock(mutex_);
    life_->alive = false;
    events_.push(EngineEnded{sentence});
  }

  void submit(const Request& request) override {
    if (on_submit) on_submit(request);
    command(request);
  }
  void cancel(RequestId id) override { command(id); }
  void close() override { end(""); }
  // Of the engine that runs now, those the coordinator is done with.
  int64_t tokens_taken() {
    std::lock_guard lock(mutex_);
    return life_->alive ? tokens_taken_.load() : 0;
  }
  EngineEvent next() override {
    tokens_taken_ += std::exchange(tokens_given_, 0);
    if (restart_) {
      stop();
      tokens_taken_ = 0;
      start();
      restart_ = false;
    }
    while (taken_.empty()) {
      std::vector<EngineEvent> events;
      events_.take(events, true);
      for (EngineEvent& event : events) taken_.push_back(std::move(event));
    }
    EngineEvent event = std::move(taken_.front());
    taken_.pop_front();
    restart_ = std::holds_alternative<EngineLost>(event);
    if (const auto* tokens = std::get_if<std::vector<TokenEvent>>(&event)) tokens_given_ = std::ssize(*tokens);
    return event;
  }

 private:
  struct Life {  // of one engine
    CommandQueue commands;
    bool alive = true;
  };

  void command(EngineCommand c) {
    std::lock_guard lock(mutex_);
    if (life_->alive) life_->commands.push(std::move(c));
  }
  void start() {
    auto life = std::make_shared<Life>();
    {
      std::lock_guard lock(mutex_);
      life_ = life;
    }
    thread_ = std::thread([this, life] {
      FakeEngine engine(step_time_);
      std::atomic<bool> stepping = false;
      try {
        run_engine(
            engine, life->commands,
            [&](EngineEvent event) {
              std::lock_guard lock(mutex_);
              if (life->alive) events_.push(std::move(event));
            },
            stepping);
      } catch (const FakeEngine::Death&) {
        std::lock_guard lock(mutex_);
        if (std::exchange(life->alive, false)) events_.push(EngineLost{"a deadly request"});
      }
    });
  }
  void stop() {
    life_->commands.close();
    thread_.join();
  }

  const std::chrono::microseconds step_time_;
  std::mutex mutex_;
  std::shared_ptr<Life> life_;
  Queue<EngineEvent> events_;
  std::deque<EngineEvent> taken_;
  bool restart_ = false;
  int64_t tokens_given_ = 0;  // by the last event
  std::atomic<int64_t> tokens_taken_ = 0;
  std::thread thread_;
};

}  // namespace weft
