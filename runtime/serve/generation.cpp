#include "runtime/serve/generation.h"

#include <utility>

#include "kernels/core/check.h"

namespace weft {
namespace {

double seconds(ServeClock::duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

ActiveGeneration::ActiveGeneration(Generation wanted, const Tokenizer* tokenizer) : wanted_(std::move(wanted)) {
  if (!wanted_.reader) wanted_.reader = std::make_shared<Reader>();
  if (tokenizer) text_.emplace(*tokenizer, wanted_.prompt, wanted_.stop);
}

void ActiveGeneration::push(const TokenEvent& event) {
  if (finished_) return;
  apply(event);
  count_unread();
  if (!finished_ && wanted_.reader->unread_bytes > max_unread_bytes)
    fail({ServeCode::resource_exhausted,
          cat("the client reads too slowly: more than ", max_unread_bytes, " bytes wait for it")});
}

void ActiveGeneration::apply(const TokenEvent& event) {
  if (event.token >= 0) {
    last_ = ServeClock::now();
    if (sent_.empty()) first_ = last_;
    sent_.push_back(event.token);
    news_.tokens.push_back(event.token);
    if (text_) news_.text += text_->push(event.token);
    if (text_ && text_->stopped()) return finish(FinishReason::stop, event.fingerprint);
  }
  switch (event.finish) {
    case FinishReason::none: return;
    case FinishReason::stop:
    case FinishReason::length: return finish(event.finish, event.fingerprint);
    case FinishReason::cancelled: return fail({ServeCode::internal, "the engine dropped the request"});
    case FinishReason::error: return fail({ServeCode::internal, event.error});
  }
}

void ActiveGeneration::finish(FinishReason reason, uint64_t fingerprint) {
  if (text_) {
    news_.text += text_->finish();
    if (text_->stopped()) reason = FinishReason::stop;
    news_.stop_string = text_->stop_string();
  }
  finished_ = news_.last = true;
  news_.finish = reason;
  news_.prompt_tokens = static_cast<int>(wanted_.prompt.size());
  news_.completion_tokens = static_cast<int>(sent_.size());
  news_.replays = replays;
  news_.fingerprint = fingerprint;
  news_.ttft_s = seconds(first_ - arrived_);
  news_.total_s = seconds(last_ - arrived_);
  if (sent_.size() > 1 && last_ > first_)
    news_.decode_tok_s = static_cast<double>(sent_.size() - 1) / seconds(last_ - first_);
}

void ActiveGeneration::fail(const ServeError& error) {
  finished_ = true;
  news_ = {};  // what nobody has read yet is dropped
  news_.last = true;
  news_.error = error;
  count_unread();
}

void ActiveGeneration::count_unread() {
  wanted_.reader->unread_bytes += news_.bytes() - unread_;
  unread_ = news_.bytes();
}

Request ActiveGeneration::request(RequestId id) const {
  Request request{.id = id,
                  .prompt = wanted_.prompt,
                  .n_generated = static_cast<int>(sent_.size()),
                  .max_tokens = wanted_.max_tokens,
                  .ignore_eos = wanted_.ignore_eos,
                  .sampling = wanted_.sampling,
                  .cache_salt = wanted_.cache_salt};
  request.prompt.insert(request.prompt.end(), sent_.begin(), sent_.end());
  return request;
}

Delta ActiveGeneration::take() {
  Delta news = std::exchange(news_, {});
  count_unread();
  return news;
}

}  // namespace weft
