#include "runtime/serve/generation.h"

#include <utility>

namespace weft {
namespace {

double seconds(ServeClock::duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

ActiveGeneration::ActiveGeneration(Generation wanted, const Tokenizer* tokenizer)
    : wanted_(std::move(wanted)), stops_(wanted_.stop) {
  if (!tokenizer) return;
  text_vocab_ = tokenizer->vocab_size();
  detokenizer_.emplace(*tokenizer, true);
}

void ActiveGeneration::push(const TokenEvent& event) {
  if (finished_) return;
  if (event.token >= 0) {
    last_ = ServeClock::now();
    if (sent_.empty()) first_ = last_;
    sent_.push_back(event.token);
    news_.tokens.push_back(event.token);
    if (event.token < text_vocab_) push_text(detokenizer_->push(event.token));
    if (stops_.stopped()) return finish(FinishReason::stop, event.fingerprint);
  }
  switch (event.finish) {
    case FinishReason::none: return;
    case FinishReason::stop:
    case FinishReason::length: return finish(event.finish, event.fingerprint);
    case FinishReason::cancelled: return fail({ServeCode::internal, "the engine dropped the request"});
    case FinishReason::error: return fail({ServeCode::internal, event.error});
  }
}

void ActiveGeneration::push_text(std::string text) { news_.text += wanted_.stop.empty() ? text : stops_.push(text); }

void ActiveGeneration::finish(FinishReason reason, uint64_t fingerprint) {
  if (detokenizer_ && !stops_.stopped()) {
    push_text(detokenizer_->flush());
    news_.text += stops_.flush();
    if (stops_.stopped()) reason = FinishReason::stop;
  }
  finished_ = news_.last = true;
  news_.finish = reason;
  news_.stop_string = stops_.matched();
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
  finished_ = news_.last = true;
  news_.error = error;
}

Request ActiveGeneration::request(RequestId id) const {
  Request request{.id = id,
                  .prompt = wanted_.prompt,
                  .n_generated = static_cast<int>(sent_.size()),
                  .max_tokens = wanted_.max_tokens,
                  .ignore_eos = wanted_.ignore_eos,
                  .sampling = wanted_.sampling};
  request.prompt.insert(request.prompt.end(), sent_.begin(), sent_.end());
  return request;
}

Delta ActiveGeneration::take() { return std::exchange(news_, {}); }

}  // namespace weft
