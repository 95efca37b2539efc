#include "runtime/serve/conversions.h"

#include <random>

namespace weft {
namespace {

v1::FinishReason to_proto(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop: return v1::FINISH_REASON_STOP;
    case FinishReason::length: return v1::FINISH_REASON_LENGTH;
    default: return v1::FINISH_REASON_UNSPECIFIED;
  }
}

uint64_t random_seed() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random();
}

}  // namespace

SamplingParams from_proto(const v1::SamplingParams& p) {
  SamplingParams s;
  s.temperature = p.temperature();
  s.top_k = p.top_k();
  if (p.has_top_p()) s.top_p = p.top_p();
  s.min_p = p.min_p();
  if (p.has_repetition_penalty()) s.repetition_penalty = p.repetition_penalty();
  s.presence_penalty = p.presence_penalty();
  s.frequency_penalty = p.frequency_penalty();
  s.seed = p.has_seed() ? p.seed() : random_seed();
  return s;
}

v1::SamplingParams to_proto(const SamplingParams& s) {
  v1::SamplingParams p;
  p.set_temperature(s.temperature);
  p.set_top_k(s.top_k);
  p.set_top_p(s.top_p);
  p.set_min_p(s.min_p);
  p.set_repetition_penalty(s.repetition_penalty);
  p.set_presence_penalty(s.presence_penalty);
  p.set_frequency_penalty(s.frequency_penalty);
  p.set_seed(s.seed);
  return p;
}

v1::GenerateResponse to_proto(const Delta& delta, uint64_t seed) {
  v1::GenerateResponse p;
  p.set_text(delta.text);
  p.mutable_token_ids()->Add(delta.tokens.begin(), delta.tokens.end());
  if (!delta.last) return p;
  p.set_finish_reason(to_proto(delta.finish));
  p.set_stop_string(delta.stop_string);
  p.mutable_usage()->set_prompt_tokens(delta.prompt_tokens);
  p.mutable_usage()->set_completion_tokens(delta.completion_tokens);
  p.mutable_usage()->set_cached_tokens(delta.cached_tokens);
  p.mutable_timings()->set_ttft_s(delta.ttft_s);
  p.mutable_timings()->set_total_s(delta.total_s);
  p.mutable_timings()->set_decode_tok_s(delta.decode_tok_s);
  p.set_seed(seed);
  p.set_fingerprint(delta.fingerprint);
  p.set_replays(delta.replays);
  return p;
}

v1::GetModelInfoResponse to_proto(const EngineReady& ready) {
  v1::GetModelInfoResponse p;
  p.set_model_type(ready.model_type);
  p.set_vocab_size(ready.vocab_size);
  p.set_max_model_len(ready.max_model_len);
  p.set_n_layers(ready.n_layers);
  p.set_hidden_size(ready.hidden_size);
  p.set_n_experts(ready.n_experts);
  p.set_mesh(ready.mesh);
  p.set_threads(ready.threads);
  p.set_dtype(ready.dtype);
  p.set_kv_dtype(ready.kv_dtype);
  p.set_weight_bytes(ready.weight_bytes);
  p.set_kv_bytes(ready.kv_bytes);
  p.mutable_eos_token_ids()->Add(ready.eos_token_ids.begin(), ready.eos_token_ids.end());
  return p;
}

EngineReady from_proto(const v1::GetModelInfoResponse& p) {
  return {.model_type = p.model_type(),
          .mesh = p.mesh(),
          .dtype = p.dtype(),
          .kv_dtype = p.kv_dtype(),
          .vocab_size = p.vocab_size(),
          .max_model_len = p.max_model_len(),
          .hidden_size = p.hidden_size(),
          .n_layers = p.n_layers(),
          .n_experts = p.n_experts(),
          .threads = p.threads(),
          .weight_bytes = p.weight_bytes(),
          .kv_bytes = p.kv_bytes(),
          .eos_token_ids = {p.eos_token_ids().begin(), p.eos_token_ids().end()}};
}

v1::GetStatsResponse to_proto(const CoordinatorStats& stats) {
  v1::GetStatsResponse p;
  p.set_state(stats.state);
  p.set_uptime_s(stats.uptime_s);
  p.set_requests_unfinished(stats.unfinished);
  p.set_requests_limit(stats.limit);
  p.set_requests_accepted(stats.accepted);
  p.set_requests_refused(stats.refused);
  p.set_requests_finished(stats.finished);
  p.set_requests_cancelled(stats.cancelled);
  p.set_requests_failed(stats.failed);
  p.set_tokens_generated(stats.tokens);
  p.set_restarts(stats.restarts);
  *p.mutable_engine() = to_proto(stats.engine);
  return p;
}

v1::EngineStats to_proto(const EngineStats& s) {
  v1::EngineStats p;
  p.set_running(s.running);
  p.set_waiting(s.waiting);
  p.set_free_blocks(s.free_blocks);
  p.set_total_blocks(s.total_blocks);
  p.set_prompt_tokens(s.prompt_tokens);
  p.set_generated_tokens(s.generated_tokens);
  p.set_steps(s.steps);
  p.set_preemptions(s.preemptions);
  p.set_all_gather_bytes(s.traffic.all_gather);
  p.set_all_to_all_bytes(s.traffic.all_to_all);
  p.set_broadcast_bytes(s.traffic.broadcast);
  p.mutable_tokens_per_expert()->Add(s.router.tokens_per_expert.begin(), s.router.tokens_per_expert.end());
  p.set_expert_exchange_bytes(s.router.exchanged_bytes);
  p.set_cached_tokens(s.cached_tokens);
  return p;
}

EngineStats from_proto(const v1::EngineStats& p) {
  EngineStats s;
  s.running = p.running();
  s.waiting = p.waiting();
  s.free_blocks = p.free_blocks();
  s.total_blocks = p.total_blocks();
  s.prompt_tokens = p.prompt_tokens();
  s.generated_tokens = p.generated_tokens();
  s.steps = p.steps();
  s.preemptions = p.preemptions();
  s.traffic = {.all_gather = p.all_gather_bytes(), .all_to_all = p.all_to_all_bytes(), .broadcast = p.broadcast_bytes()};
  s.router.tokens_per_expert = {p.tokens_per_expert().begin(), p.tokens_per_expert().end()};
  s.router.exchanged_bytes = p.expert_exchange_bytes();
  s.cached_tokens = p.cached_tokens();
  return s;
}

v1::worker::Tokens to_proto(const std::vector<TokenEvent>& events) {
  v1::worker::Tokens p;
  for (const TokenEvent& event : events) {
    v1::worker::Token* token = p.add_tokens();
    token->set_id(event.id);
    token->set_token(event.token);
    token->set_finish(static_cast<int>(event.finish));
    token->set_fingerprint(event.fingerprint);
    token->set_cached_tokens(event.cached_tokens);
    token->set_error(event.error);
  }
  return p;
}

std::vector<TokenEvent> from_proto(const v1::worker::Tokens& p) {
  std::vector<TokenEvent> events;
  for (const v1::worker::Token& token : p.tokens())
    events.push_back({.id = token.id(),
                      .token = token.token(),
                      .finish = static_cast<FinishReason>(token.finish()),
                      .fingerprint = token.fingerprint(),
                      .cached_tokens = token.cached_tokens(),
                      .error = token.error()});
  return events;
}

google::protobuf::RepeatedPtrField<v1::worker::Trait> to_proto(const Traits& traits) {
  google::protobuf::RepeatedPtrField<v1::worker::Trait> p;
  for (const auto& [subject, value] : traits) {
    v1::worker::Trait* trait = p.Add();
    trait->set_subject(subject);
    trait->set_value(value);
  }
  return p;
}

Traits from_proto(const google::protobuf::RepeatedPtrField<v1::worker::Trait>& p) {
  Traits traits;
  for (const v1::worker::Trait& trait : p) traits.emplace_back(trait.subject(), trait.value());
  return traits;
}

v1::worker::FromWorker to_frame(const EngineEvent& event) {
  v1::worker::FromWorker frame;
  if (const auto* ready = std::get_if<EngineReady>(&event))
    *frame.mutable_hello()->mutable_info() = to_proto(*ready);
  else if (const auto* step = std::get_if<StepBegins>(&event))
    frame.mutable_step_begins()->mutable_ids()->Add(step->ids.begin(), step->ids.end());
  else if (const auto* tokens = std::get_if<std::vector<TokenEvent>>(&event))
    *frame.mutable_tokens() = to_proto(*tokens);
  else
    *frame.mutable_stats() = to_proto(std::get<EngineStats>(event));
  return frame;
}

v1::worker::Submit to_proto(const Request& request) {
  v1::worker::Submit p;
  p.set_id(request.id);
  p.mutable_prompt()->Add(request.prompt.begin(), request.prompt.end());
  p.set_n_generated(request.n_generated);
  p.set_max_tokens(request.max_tokens);
  p.set_ignore_eos(request.ignore_eos);
  p.set_cache_salt(request.cache_salt);
  *p.mutable_sampling() = to_proto(request.sampling);
  return p;
}

Request from_proto(const v1::worker::Submit& p) {
  return {.id = p.id(),
          .prompt = {p.prompt().begin(), p.prompt().end()},
          .n_generated = p.n_generated(),
          .max_tokens = p.max_tokens(),
          .ignore_eos = p.ignore_eos(),
          .sampling = from_proto(p.sampling()),
          .cache_salt = p.cache_salt()};
}

}  // namespace weft
