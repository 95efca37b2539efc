#pragma once
// A coordinator over a FakeLink, and a client that waits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <cstdlib>

#include "runtime/serve/coordinator.h"
#include "tests/runtime/serve/fake_engine.h"
#include "tests/support/source_dir.h"

namespace weft {

inline std::unique_ptr<Tokenizer> test_tokenizer() {
  return Tokenizer::from_hf_directory(source_dir() / "tests/golden/models/llama3");
}

inline Generation generation(std::vector<int32_t> prompt, int max_tokens, uint64_t seed = 0) {
  Generation g;
  g.prompt = std::move(prompt);
  g.max_tokens = max_tokens;
  g.sampling.seed = seed;
  return g;
}

inline std::vector<RequestId> submit_all(Coordinator& coordinator, std::vector<Generation> wanted) {
  std::deque<Generation> waiting(std::make_move_iterator(wanted.begin()), std::make_move_iterator(wanted.end()));
  return coordinator.submit(waiting);
}

// Runs a coordinator until it goes out of scope.
class Served {
 public:
  explicit Served(std::chrono::microseconds step_time = {}, const CoordinatorLimits& limits = {})
      : tokenizer(test_tokenizer()), link(step_time), coordinator(link, pool, limits) {
    thread_ = std::thread([this] {
      end = coordinator.run([this](bool up) {
        std::lock_guard lock(mutex_);
        healthy_ = up;
        changed_.notify_all();
      });
    });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return healthy_; });
  }
  ~Served() {
    if (thread_.joinable()) stop();
  }
  void stop() {
    coordinator.begin_drain();
    coordinator.finish_drain(std::chrono::duration<double>(0));
    thread_.join();
  }

  std::unique_ptr<Tokenizer> tokenizer;
  FakeLink link;
  WorkPool pool{3};
  Coordinator coordinator;
  std::string end;  // what run() returned, after stop()

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool healthy_ = false;
  std::thread thread_;
};

// One request of a client that blocks.
class Asked {
 public:
  Asked(Served& served, Generation g) : Asked(served.coordinator, with_text(std::move(g), *served.tokenizer)) {}
  Asked(Coordinator& coordinator, Generation g) : coordinator_(coordinator) {
    g.notify = [signal = signal_] {
      std::lock_guard lock(signal->mutex);
      signal->news = true;
      signal->changed.notify_all();
    };
    id = submit_all(coordinator, {std::move(g)}).at(0);
  }
  ~Asked() { coordinator_.release(id); }

  // Waits for the next delta.
  Delta next() {
    for (;;) {
      if (auto delta = coordinator_.take(id)) return *delta;
      std::unique_lock lock(signal_->mutex);
      signal_->changed.wait(lock, [&] { return signal_->news; });
      signal_->news = false;
    }
  }
  // Everything until the last, which is returned with all text and tokens.
  Delta all() {
    Delta sum;
    for (;;) {
      Delta delta = next();
      delta.text = sum.text + delta.text;
      delta.tokens.insert(delta.tokens.begin(), sum.tokens.begin(), sum.tokens.end());
      if (delta.last) return delta;
      sum = std::move(delta);
    }
  }

  RequestId id = 0;

 private:
  static Generation with_text(Generation g, const Tokenizer& tokenizer) {
    g.text.emplace(tokenizer, g.prompt, g.stop);
    return g;
  }

  struct Signal {
    std::mutex mutex;
    std::condition_variable changed;
    bool news = false;
  };
  Coordinator& coordinator_;
  std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();
};

}  // namespace weft
