#pragma once
// Owns every request from its arrival to its last byte. It lives outside the engine's domain of failure: when
// the engine is lost, each unfinished request is submitted to the next one with the tokens already told, and
// in canonical order the client sees the stream it would have seen. Requests that were twice in the step that
// took the engine down run alone for a few tokens, one after another: one in whose turn the engine is lost again is
// the cause and refused. No other ever is. Knows neither gRPC nor how the engine is reached. Threads: any may
// call the public methods; run() is the one that reads the engine's events; the text of what they bring is made on the
// pool, one thread at a time for each request, and Generation::notify called there; a thread of its own watches deadlines,
// another one encodes and sends what is for the engine.
// All sleep when there is nothing to do.
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/serve/engine_link.h"
#include "runtime/serve/generation.h"
#include "runtime/serve/work_pool.h"

namespace weft {

struct CoordinatorLimits {
  int64_t max_requests = 512;                // at a time: waiting, running, or not released
  std::chrono::duration<double> absence{3};  // how long draining waits for an engine that was lost
};

struct CoordinatorStats {
  const char* state = "starting";  // starting, serving, restarting, draining, ended
  double uptime_s = 0;
  int64_t unfinished = 0, limit = 0, accepted = 0, refused = 0, finished = 0, cancelled = 0, failed = 0;
  int64_t tokens = 0, restarts = 0;
  EngineStats engine;  // as it last told
};

class Coordinator {
 public:
  // Both must outlive it.
  Coordinator(EngineLink& link, WorkPool& pool, const CoordinatorLimits& limits = {});

  // Follows the engine until it has ended; closes the link when draining is over. on_health(true) when
  // requests are served, on_health(false) when they no longer are. Returns the sentence of the engine's end,
  // empty if it was asked for.
  std::string run(const std::function<void(bool)>& on_health);

  // Both throw ServeError unavailable before the engine was ever ready; check() also invalid_argument.
  int64_t max_prompt_tokens() const;
  void check(const Generation& wanted) const;
  // Takes from the front of `waiting` what there is room for, at least one, and returns their ids in order; throws
  // ServeError unavailable or resource_exhausted. `in_place_of` (0: none) is released first, in any case, so that there is
  // room. Each must have passed check(). A notify may come before this returns.
  std::vector<RequestId> submit(std::deque<Generation>& waiting, RequestId in_place_of = 0);
  // What is new, if anything is. Nothing follows the delta that is `last`.
  std::optional<Delta> take(RequestId id);
  void cancel(RequestId id);   // ends it with ServeCode::cancelled unless it has ended
  // Nobody will take from it any more: it counts no longer. Cancels it if need be. At least once for each submitted.
  void release(RequestId id);

  std::optional<EngineReady> model() const;  // once the engine was ready
  CoordinatorStats stats() const;

  // Refuses new requests from now on.
  void begin_drain();
  void wait_for_drain() const;  // until begin_drain() or the engine's end
  // Waits until all requests have ended, the time is up, or the engine stays away; requests that are left, whose number is
  // returned, end with ServeCode::unavailable. Then the engine is closed.
  int64_t finish_drain(std::chrono::duration<double> timeout);

 private:
  using Lock = std::unique_lock<std::mutex>;
  using Notifications = std::vector<std::function<void()>>;

  void on(EngineReady&& ready, Notifications& told);
  void on(StepBegins&& step, Notifications& told);
  void on(std::vector<TokenEvent>&& events, Notifications& told);
  void on(EngineStats&& stats, Notifications& told);
  void on(EngineLost&& lost, Notifications& told);
  void on(EngineEnded&& ended, Notifications& told);
  void drop(RequestId id);  // release() under the lock
  void admit();
  void send_later(RequestId id, bool submit);
  void send();    // on a thread of its own
  void render();  // on the pool
  void ended(RequestId id, const ActiveGeneration& active, Notifications& told);
  void fail(RequestId id, ActiveGeneration& active, const ServeError& error, Notifications& told);
  void fail_all(const ServeError& error, Notifications& told);
  void watch_deadlines();
  bool serving() const { return engine_up_ && !draining_ && !ended_; }

  EngineLink& link_;
  WorkPool& pool_;
  const CoordinatorLimits limits_;
  const ServeClock::time_point started_ = ServeClock::now();

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;  // unfinished, draining_, ended_, renderers_, sending_
  std::condition_variable deadlines_changed_, outbox_changed_;
  std::map<RequestId, ActiveGeneration> requests_;  // not released; as many as max_requests allows
  RequestId last_id_ = 0;
  // To be submitted to the engine, in order of arrival, suspects first. Those that have ended meanwhile are passed over.
  std::deque<RequestId> suspects_, waiting_;
  struct Command {
    RequestId id;
    bool submit;  // else: cancel
  };
  std::deque<Command> outbox_;         // for the engine that runs now
  bool sending_ = false;               // a command is under way to the link
  std::vector<RequestId> unrendered_;  // have arrivals, and nobody renders them
  bool renderer_waits_ = false;        // on the pool
  int renderers_ = 0;                  // on the pool, the one that waits included
  std::vector<RequestId> in_step_;  // what the engine computes now
  RequestId alone_ = 0;             // runs by itself, because it may be what the engine dies of; 0: none
  int tokens_alone_ = 0;            // those it still has to get; at none it is taken out of the engine, and joins the others
  std::optional<EngineReady> model_;
  bool engine_up_ = false, draining_ = false, ended_ = false;
  ServeClock::time_point lost_at_;  // while it is not up
  std::string end_sentence_;
  CoordinatorStats counts_;
};

}  // namespace weft
