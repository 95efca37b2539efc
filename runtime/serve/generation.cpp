#include "runtime/serve/generation.h"

#include <utility>

#include "kernels/core/check.h"

namespace weft {
namespace {

double seconds(ServeClock::duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

void Rendering::run() {
  for (const auto& [event, when] : arrivals) {
    if (event.token >= 0) {
      if (delta.tokens.empty()) first = when;
      last = when;
      delta.tokens.push_back(event.token);
      if (text) delta.text += text->push(event.token);
    }
    if (text && text->stopped()) return finish(event);
    switch (event.finish) {
      case FinishReason::none: break;
      case FinishReason::stop:
      case FinishReason::length: return finish(event);
      case FinishReason::cancelled: delta.error.emplace(ServeCode::internal, "the engine dropped the request"); return;
      case FinishReason::error: delta.error.emplace(ServeCode::internal, event.error); return;
    }
  }
}

void Rendering::finish(const TokenEvent& event) {
  delta.last = true;
  delta.finish = event.finish;
  delta.fingerprint = event.fingerprint;
  if (text) {
    delta.text += text->finish();
    if (text->stopped()) delta.finish = FinishReason::stop;
    delta.stop_string = text->stop_string();
  }
}

ActiveGeneration::ActiveGeneration(Generation wanted) : wanted_(std::move(wanted)) {
  if (!wanted_.reader) wanted_.reader = std::make_shared<Reader>();
}

void ActiveGeneration::push(const TokenEvent& event) {
  if (!needs_engine()) return;
  if (generated_.empty()) cached_tokens_ = event.cached_tokens;
  if (event.token >= 0) generated_.push_back(event.token);
  computed_ = event.finish != FinishReason::none;
  arrivals_.push_back({event, ServeClock::now()});
  count_unread();
}

Rendering ActiveGeneration::begin_rendering() {
  Rendering work;
  work.arrivals = std::exchange(arrivals_, {});
  work.text = std::move(wanted_.text);
  return work;
}

void ActiveGeneration::end_rendering(Rendering done) {
  if (finished_) return;
  wanted_.text = std::move(done.text);
  Delta& delta = done.delta;
  if (delta.error) return fail(*delta.error);
  if (!delta.tokens.empty()) {
    if (completion_tokens_ == 0) first_ = done.first;
    last_ = done.last;
    completion_tokens_ += static_cast<int>(delta.tokens.size());
  }
  news_.text += delta.text;
  news_.tokens.insert(news_.tokens.end(), delta.tokens.begin(), delta.tokens.end());
  delta.text = std::move(news_.text);
  delta.tokens = std::move(news_.tokens);
  news_ = std::move(delta);
  if (news_.last) finish();
  count_unread();
}

void ActiveGeneration::finish() {
  finished_ = true;
  news_.prompt_tokens = static_cast<int>(wanted_.prompt.size());
  news_.completion_tokens = completion_tokens_;
  news_.cached_tokens = cached_tokens_;
  news_.replays = replays;
  news_.ttft_s = seconds(first_ - arrived_);
  news_.total_s = seconds(last_ - arrived_);
  if (completion_tokens_ > 1 && last_ > first_)
    news_.decode_tok_s = static_cast<double>(completion_tokens_ - 1) / seconds(last_ - first_);
}

void ActiveGeneration::begins() {
  if (!begun_) begun_ = ServeClock::now();
}

ActiveGeneration::Account ActiveGeneration::account() const {
  Account a{.prompt_tokens = static_cast<int64_t>(wanted_.prompt.size()),
            .cached_tokens = cached_tokens_,
            .completion_tokens = completion_tokens_,
            .queued_s = {},
            .ttft_s = {},
            .total_s = seconds(ServeClock::now() - arrived_),
            .finish = news_.finish};
  if (begun_) a.queued_s = seconds(*begun_ - arrived_);
  if (completion_tokens_ > 0) a.ttft_s = seconds(first_ - arrived_);
  return a;
}

void ActiveGeneration::fail(const ServeError& error) {
  finished_ = true;
  news_ = {};  // what nobody has read yet is dropped
  news_.last = true;
  news_.error = error;
  count_unread();
}

// Of what is not rendered only the ids count. Too much that waits fails the request, unless it has ended.
void ActiveGeneration::count_unread() {
  const size_t unrendered = finished_ ? 0 : generated_.size() - static_cast<size_t>(completion_tokens_);
  const int64_t bytes = news_.bytes() + static_cast<int64_t>(unrendered * sizeof(int32_t));
  wanted_.reader->unread_bytes += bytes - std::exchange(unread_, bytes);
  if (!finished_ && wanted_.reader->unread_bytes > max_unread_bytes)
    fail({ServeCode::resource_exhausted,
          cat("the client reads too slowly: more than ", max_unread_bytes, " bytes wait for it")});
}

Request ActiveGeneration::request(RequestId id) const {
  Request request{.id = id,
                  .prompt = wanted_.prompt,
                  .n_generated = static_cast<int>(generated_.size()),
                  .max_tokens = wanted_.max_tokens,
                  .ignore_eos = wanted_.ignore_eos,
                  .sampling = wanted_.sampling,
                  .cache_salt = wanted_.cache_salt};
  request.prompt.insert(request.prompt.end(), generated_.begin(), generated_.end());
  return request;
}

Delta ActiveGeneration::take() {
  Delta news = std::exchange(news_, {});
  count_unread();
  return news;
}

}  // namespace weft
