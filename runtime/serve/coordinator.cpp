#include "runtime/serve/coordinator.h"

#include <algorithm>
#include <cstdio>
#include <thread>

#include "kernels/core/check.h"
#include "kernels/core/log.h"
#include "runtime/serve/admission.h"
#include "runtime/serve/request_log.h"

namespace weft {
namespace {

void notify_all(const std::vector<std::function<void()>>& told) {
  for (const auto& notify : told)
    if (notify) notify();
}

constexpr int deaths_of_a_suspect = 2;

// How many tokens a suspect has to get by itself: one, and four times as many after each further death, so that one that kills
// every few tokens is soon caught, and one whose hosts fail now and then is not taken for it.
int turn_alone(int deaths) { return 1 << 2 * std::min(deaths - deaths_of_a_suspect, 10); }

std::string seconds_since(ServeClock::time_point begin) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", std::chrono::duration<double>(ServeClock::now() - begin).count());
  return text;
}

}  // namespace

Coordinator::Coordinator(EngineLink& link, WorkPool& pool, const CoordinatorLimits& limits)
    : link_(link), pool_(pool), limits_(limits) {}

std::string Coordinator::run(const std::function<void(bool)>& on_health) {
  std::thread deadlines([this] { watch_deadlines(); }), sender([this] { send(); });
  bool ended = false, healthy = false;
  while (!ended) {
    EngineEvent event = link_.next();
    Notifications told;
    bool now_healthy;
    {
      Lock lock(mutex_);
      if (std::holds_alternative<EngineLost>(event)) {  // nothing that was for it may reach the next one
        outbox_.clear();
        changed_.wait(lock, [&] { return !sending_; });
      }
      std::visit([&](auto& e) { on(std::move(e), told); }, event);
      now_healthy = serving();
      ended = ended_;
    }
    changed_.notify_all();
    notify_all(told);
    if (now_healthy != healthy) on_health(healthy = now_healthy);
  }
  deadlines_changed_.notify_all();
  outbox_changed_.notify_all();
  deadlines.join();
  sender.join();
  Lock lock(mutex_);
  changed_.wait(lock, [&] { return renderers_ == 0; });
  return end_sentence_;
}

void Coordinator::on(EngineReady&& ready, Notifications&) {
  if (model_)
    log_info("the ranks are ready again after ", seconds_since(lost_at_), " s: ", counts_.unfinished, " requests go on");
  else
    log_info("the ranks are ready after ", seconds_since(started_), " s");
  model_ = std::move(ready);
  engine_up_ = true;
  admit();
}

void Coordinator::on(StepBegins&& step, Notifications&) {
  in_step_ = std::move(step.ids);
  for (const RequestId id : in_step_)
    if (const auto found = requests_.find(id); found != requests_.end()) found->second.begins();
}

// Gives the engine what it does not have yet: one suspect, or all that wait.
void Coordinator::admit() {
  if (!engine_up_) return;
  const auto submit_next = [&](std::deque<RequestId>& queue) -> RequestId {
    const RequestId id = queue.front();
    queue.pop_front();
    const auto found = requests_.find(id);
    if (found == requests_.end() || !found->second.needs_engine()) return 0;
    found->second.submitted = true;
    send_later(id, true);
    return id;
  };
  while (!alone_ && !suspects_.empty()) {
    if (!(alone_ = submit_next(suspects_))) continue;
    const int deaths = requests_.at(alone_).deaths;
    tokens_alone_ = turn_alone(deaths);
    log_warn("request ", alone_, " runs alone: the engine was lost in ", deaths, " steps of it");
  }
  while (!alone_ && !waiting_.empty()) submit_next(waiting_);
}

void Coordinator::on(std::vector<TokenEvent>&& events, Notifications& told) {
  const RequestId was_alone = alone_;
  for (const TokenEvent& event : events) {
    const auto found = requests_.find(event.id);
    if (found == requests_.end() || !found->second.needs_engine()) continue;  // cancelled a moment ago
    ActiveGeneration& active = found->second;
    if (event.id == alone_ && event.finish == FinishReason::cancelled) {  // its turn is over: it is out of the engine
      active.submitted = false;
      waiting_.push_back(std::exchange(alone_, 0));
      continue;
    }
    active.push(event);
    if (active.finished())
      ended(event.id, active, told);
    else if (!std::exchange(active.rendering, true))
      unrendered_.push_back(event.id);
    if (event.id != alone_) continue;
    if (!active.needs_engine())
      alone_ = 0;
    else if (--tokens_alone_ == 0)
      send_later(alone_, false);
  }
  if (alone_ != was_alone) admit();
  if (unrendered_.empty() || std::exchange(renderer_waits_, true)) return;
  ++renderers_;
  pool_.run_urgent([this] { render(); });
}

void Coordinator::send_later(RequestId id, bool submit) {
  outbox_.push_back({id, submit});
  outbox_changed_.notify_one();
}

// Requests are encoded without the lock: that takes milliseconds for a long prompt.
void Coordinator::send() {
  Lock lock(mutex_);
  for (;;) {
    outbox_changed_.wait(lock, [&] { return ended_ || !outbox_.empty(); });
    if (ended_) return;
    const auto [id, submit] = outbox_.front();
    outbox_.pop_front();
    const auto found = requests_.find(id);
    if (submit && (found == requests_.end() || !found->second.needs_engine())) continue;  // cancelled a moment ago
    const Request request = submit ? found->second.request(id) : Request{.id = id};
    sending_ = true;
    lock.unlock();
    if (submit)
      link_.submit(request);
    else
      link_.cancel(id);
    lock.lock();
    sending_ = false;
    changed_.notify_all();
  }
}

// Makes news of all arrivals. Each request is in the hands of one renderer at a time, so its text keeps its order.
void Coordinator::render() {
  Lock lock(mutex_);
  renderer_waits_ = false;
  while (!unrendered_.empty()) {
    std::vector<std::pair<RequestId, Rendering>> work;
    for (const RequestId id : std::exchange(unrendered_, {}))
      if (const auto found = requests_.find(id); found != requests_.end())
        work.emplace_back(id, found->second.begin_rendering());
    lock.unlock();
    for (auto& [id, rendering] : work) rendering.run();
    lock.lock();
    Notifications told;
    for (auto& [id, rendering] : work) {
      const auto found = requests_.find(id);
      if (found == requests_.end() || found->second.finished()) continue;  // cancelled a moment ago
      ActiveGeneration& active = found->second;
      counts_.tokens += static_cast<int64_t>(rendering.delta.tokens.size());
      active.end_rendering(std::move(rendering));
      active.rendering = !active.finished() && active.has_arrivals();
      if (active.rendering) unrendered_.push_back(id);
      if (active.finished())
        ended(id, active, told);
      else
        told.push_back(active.wanted().notify);
    }
    admit();
    lock.unlock();
    changed_.notify_all();
    notify_all(told);
    lock.lock();
  }
  --renderers_;
  changed_.notify_all();  // under the lock: run() may return, and the coordinator go, right after it
}

void Coordinator::on(EngineStats&& stats, Notifications&) { counts_.engine = std::move(stats); }

void Coordinator::on(EngineLost&& lost, Notifications& told) {
  if (std::exchange(engine_up_, false)) lost_at_ = ServeClock::now();
  log_error("the engine was lost: ", lost.sentence);
  log_warn("restart ", ++counts_.restarts, " of the ranks: ", counts_.unfinished, " requests wait for it");
  for (const RequestId id : std::exchange(in_step_, {})) {
    const auto found = requests_.find(id);
    if (found == requests_.end() || !found->second.needs_engine()) continue;
    ActiveGeneration& active = found->second;
    ++active.deaths;
    if (id != alone_) continue;
    fail(id, active, {ServeCode::internal, cat("the engine failed ", active.deaths, " times while it computed this request: ", lost.sentence)},
         told);
  }
  alone_ = 0;
  suspects_.clear();
  waiting_.clear();
  for (auto& [id, active] : requests_) {
    if (!active.needs_engine()) continue;
    active.replays += std::exchange(active.submitted, false);
    (active.deaths >= deaths_of_a_suspect ? suspects_ : waiting_).push_back(id);
  }
}

void Coordinator::on(EngineEnded&& ended, Notifications& told) {
  engine_up_ = false;
  ended_ = true;
  end_sentence_ = std::move(ended.sentence);
  fail_all({ServeCode::unavailable, end_sentence_.empty() ? "the server is shutting down" : end_sentence_}, told);
}

void Coordinator::fail(RequestId id, ActiveGeneration& active, const ServeError& error, Notifications& told) {
  active.fail(error);
  ended(id, active, told);
}

// An answer that is computed gets its text in any case.
void Coordinator::fail_all(const ServeError& error, Notifications& told) {
  for (auto& [id, active] : requests_)
    if (active.needs_engine()) fail(id, active, error, told);
}

// The last news of a request is made. The engine may still work on it, if that was a stop string or a failure.
void Coordinator::ended(RequestId id, const ActiveGeneration& active, Notifications& told) {
  if (engine_up_ && active.submitted && !active.computed()) send_later(id, false);
  if (id == alone_) alone_ = 0;
  told.push_back(active.wanted().notify);
  log_ended(id, active);
  const std::optional<ServeError>& error = active.error();
  --counts_.unfinished;
  if (!error)
    ++counts_.finished;
  else if (error->code() == ServeCode::cancelled || error->code() == ServeCode::deadline_exceeded)
    ++counts_.cancelled;
  else
    ++counts_.failed;
}

int64_t Coordinator::max_prompt_tokens() const {
  std::lock_guard lock(mutex_);
  if (!model_) throw ServeError(ServeCode::unavailable, "the model is still loading");
  return model_->max_model_len - 1;
}

void Coordinator::check(const Generation& wanted) const {
  std::lock_guard lock(mutex_);
  if (!model_) throw ServeError(ServeCode::unavailable, "the model is still loading");
  check_generation(wanted, model_->vocab_size, model_->max_model_len);
}

std::vector<RequestId> Coordinator::submit(std::deque<Generation>& waiting, RequestId in_place_of) {
  std::lock_guard lock(mutex_);
  drop(in_place_of);
  const auto refuse = [&](ServeCode code, const std::string& sentence) {
    counts_.refused += static_cast<int64_t>(waiting.size());
    throw ServeError(code, sentence);
  };
  if (draining_ || ended_) refuse(ServeCode::unavailable, "the server is shutting down");
  const int64_t room = limits_.max_requests - static_cast<int64_t>(requests_.size());
  if (room <= 0)
    refuse(ServeCode::resource_exhausted, cat("the server has ", requests_.size(),
                                              " requests at once, as many as its --max-requests allows; try again later"));
  if (in_place_of == 0) {
    const int64_t begin = std::min(room, static_cast<int64_t>(waiting.size()));
    log_received(last_id_ + 1, last_id_ + static_cast<RequestId>(begin), waiting);
  }
  std::vector<RequestId> ids;
  while (!waiting.empty() && static_cast<int64_t>(ids.size()) < room) {
    const RequestId id = ++last_id_;
    requests_.try_emplace(id, std::move(waiting.front()));
    waiting.pop_front();
    waiting_.push_back(id);
    ++counts_.accepted;
    ++counts_.unfinished;
    ids.push_back(id);
  }
  admit();
  deadlines_changed_.notify_one();
  return ids;
}

std::optional<Delta> Coordinator::take(RequestId id) {
  std::lock_guard lock(mutex_);
  const auto found = requests_.find(id);
  if (found == requests_.end() || !found->second.has_news()) return std::nullopt;
  return found->second.take();
}

void Coordinator::cancel(RequestId id) {
  Notifications told;
  {
    std::lock_guard lock(mutex_);
    const auto found = requests_.find(id);
    if (found == requests_.end() || found->second.finished()) return;
    fail(id, found->second, {ServeCode::cancelled, "the request was cancelled"}, told);
    admit();
  }
  changed_.notify_all();
  notify_all(told);
}

void Coordinator::release(RequestId id) {
  {
    std::lock_guard lock(mutex_);
    drop(id);
    admit();
  }
  changed_.notify_all();
}

void Coordinator::drop(RequestId id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  if (!found->second.finished()) {
    Notifications nobody;
    fail(id, found->second, {ServeCode::cancelled, "the request was cancelled"}, nobody);
  }
  requests_.erase(found);
}

std::optional<EngineReady> Coordinator::model() const {
  std::lock_guard lock(mutex_);
  return model_;
}

CoordinatorStats Coordinator::stats() const {
  std::lock_guard lock(mutex_);
  CoordinatorStats s = counts_;
  s.state = ended_ ? "ended" : draining_ ? "draining" : engine_up_ ? "serving" : model_ ? "restarting" : "starting";
  s.uptime_s = std::chrono::duration<double>(ServeClock::now() - started_).count();
  s.unfinished = static_cast<int64_t>(requests_.size());
  s.limit = limits_.max_requests;
  return s;
}

void Coordinator::begin_drain() {
  {
    std::lock_guard lock(mutex_);
    draining_ = true;
  }
  changed_.notify_all();
}

void Coordinator::wait_for_drain() const {
  Lock lock(mutex_);
  changed_.wait(lock, [&] { return draining_ || ended_; });
}

int64_t Coordinator::finish_drain(std::chrono::duration<double> timeout) {
  Notifications told;
  int64_t cut_off = 0;
  {
    Lock lock(mutex_);
    const auto end = ServeClock::now() + std::chrono::duration_cast<ServeClock::duration>(timeout);
    const auto absence = std::chrono::duration_cast<ServeClock::duration>(limits_.absence);
    const auto until = [&] { return engine_up_ ? end : std::min(end, lost_at_ + absence); };
    while (counts_.unfinished > 0 && !ended_ && ServeClock::now() < until()) changed_.wait_until(lock, until());
    cut_off = counts_.unfinished;
    fail_all({ServeCode::unavailable, "the server is shutting down"}, told);
    cut_off -= counts_.unfinished;
  }
  notify_all(told);
  link_.close();
  return cut_off;
}

// Sleeps until the nearest deadline, or for ever without one.
void Coordinator::watch_deadlines() {
  Lock lock(mutex_);
  while (!ended_) {
    const ServeClock::time_point now = ServeClock::now();
    ServeClock::time_point nearest = ServeClock::time_point::max();
    Notifications told;
    for (auto& [id, active] : requests_) {
      if (active.finished()) continue;
      if (active.wanted().deadline <= now)
        fail(id, active, {ServeCode::deadline_exceeded, "the deadline passed before the answer was complete"}, told);
      else
        nearest = std::min(nearest, active.wanted().deadline);
    }
    if (!told.empty()) {
      admit();
      lock.unlock();
      changed_.notify_all();
      notify_all(told);
      lock.lock();
    } else if (nearest == ServeClock::time_point::max()) {
      deadlines_changed_.wait(lock);
    } else {
      deadlines_changed_.wait_until(lock, nearest);
    }
  }
}

}  // namespace weft
