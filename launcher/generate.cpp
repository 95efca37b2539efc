#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <sstream>

#include "kernels/core/check.h"
#include "launcher/chat_file.h"
#include "launcher/job.h"
#include "launcher/open_tokenizer.h"
#include "launcher/standard_streams.h"
#include "runtime/engine/fingerprint.h"
#include "runtime/text/answer_text.h"
#include "runtime/text/chat_encoder.h"

namespace weft {
namespace {

using json = nlohmann::ordered_json;

void check_options(const GenerateOptions& o) {
  if (o.prompt.has_value() + o.prompt_file.has_value() + o.chat_file.has_value() + o.token_ids.has_value() != 1)
    bad_input("give exactly one of --prompt, --prompt-file, --chat-file and --token-ids");
  if (o.token_ids && o.chat) bad_input("--chat needs a text prompt, not --token-ids");
  if (o.token_ids && !o.stop.empty()) bad_input("--stop needs text, which --token-ids does not give");
}

std::vector<int32_t> parse_ids(const std::string& text) {
  std::vector<int32_t> ids;
  for (const char *at = text.data(), *end = at + text.size();;) {
    int32_t id = 0;
    const auto [stopped, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (stopped != end && *stopped != ','))
      bad_input("--token-ids '", text, "' is not a comma-separated list of token ids");
    ids.push_back(id);
    if (stopped == end) return ids;
    at = stopped + 1;
  }
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) bad_input("cannot read --prompt-file ", path, ", or it is empty");
  return text.str();
}

std::string prompt_text(const GenerateOptions& o) { return o.prompt ? *o.prompt : read_file(*o.prompt_file); }

std::vector<int32_t> prompt_ids(const GenerateOptions& o, const Tokenizer* tokenizer) {
  if (o.token_ids) return parse_ids(*o.token_ids);
  if (o.chat_file) return ChatEncoder(*tokenizer).encode(read_chat_file(*o.chat_file)).ids;
  if (o.chat) return ChatEncoder(*tokenizer).encode(chat_of(prompt_text(o))).ids;
  return tokenizer->encode(prompt_text(o), true, true);
}

// Turns token events into text and shows it as it comes; without a tokenizer it shows ids.
class Output {
 public:
  Output(const Tokenizer* tokenizer, std::span<const int32_t> prompt, const std::vector<std::string>& stop, bool show)
      : show_(show) {
    if (tokenizer) answer_.emplace(*tokenizer, prompt, stop);
  }

  void token(int32_t id) {
    print(answer_ ? answer_->push(id) : cat(first_ ? "" : " ", id));
    first_ = false;
  }
  void finish() {
    if (answer_) print(answer_->finish());
    if (show_) std::fputs("\n", stdout);
  }
  bool stopped() const { return answer_ && answer_->stopped(); }
  json text() const { return answer_ ? json(text_) : nullptr; }

 private:
  void print(const std::string& piece) {
    text_ += piece;
    if (!show_ || piece.empty()) return;
    std::fputs(piece.c_str(), stdout);
    std::fflush(stdout);
  }

  std::optional<AnswerText> answer_;
  bool show_, first_ = true;
  std::string text_;
};

struct Timings {
  double load_s = 0, ttft_s = 0, last_s = 0;  // last_s: submit to last token
};

struct Result {
  std::vector<int32_t> prompt_ids, ids;
  FinishReason finish = FinishReason::none;
  uint64_t seed = 0, fingerprint = 0;
  Timings timings;
  double prefill_rate() const { return static_cast<double>(prompt_ids.size()) / timings.ttft_s; }
  double decode_rate() const {
    return ids.size() > 1 ? static_cast<double>(ids.size() - 1) / (timings.last_s - timings.ttft_s) : 0;
  }
};

uint64_t fresh_seed() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

void generate(Engine& engine, const GenerateOptions& o, Output& output, Result& result) {
  constexpr RequestId kId = 1;
  const Stopwatch clock;
  Request request;
  request.id = kId;
  request.prompt = result.prompt_ids;
  request.max_tokens = o.max_tokens;
  request.ignore_eos = o.ignore_eos;
  request.sampling = o.sampling;
  request.sampling.seed = result.seed;
  engine.submit(request);
  while (engine.has_work()) {
    for (const TokenEvent& event : engine.step()) {
      if (event.token >= 0) {
        result.timings.last_s = clock.seconds();
        if (result.ids.empty()) result.timings.ttft_s = result.timings.last_s;
        result.ids.push_back(event.token);
        output.token(event.token);
      }
      if (event.finish == FinishReason::error) throw WorkError(event.error);
      result.finish = event.finish;
      result.fingerprint = event.fingerprint;
    }
    if (output.stopped() || stdout_failed()) engine.cancel(kId);
  }
  output.finish();
  if (output.stopped()) result.finish = FinishReason::stop;
}

// Of all tokens; null where there are no experts.
json as_json(const RouterStats& router) {
  const std::vector<int64_t>& load = router.tokens_per_expert;
  json object = {{"tokens_per_expert", load}, {"min", nullptr},       {"max", nullptr},
                 {"mean", nullptr},           {"imbalance", nullptr}, {"entropy_bits", nullptr}};
  if (load.empty()) return object;
  const auto [least, most] = std::ranges::minmax(load);
  const double mean =
      static_cast<double>(std::accumulate(load.begin(), load.end(), int64_t{0})) / static_cast<double>(load.size());
  object.update({{"min", least},
                 {"max", most},
                 {"mean", mean},
                 {"imbalance", static_cast<double>(most) / mean},
                 {"entropy_bits", router.entropy()}});
  return object;
}

json router_of(const EngineStats& stats) {
  json object = as_json(stats.router);
  object["layers"] = json::array();
  for (const RouterStats& layer : stats.router_layers) object["layers"].push_back(as_json(layer));
  return object;
}

json traffic_of(const EngineStats& stats) {
  return {{"all_gather_bytes", stats.traffic.all_gather},
          {"all_to_all_bytes", stats.traffic.all_to_all},
          {"broadcast_bytes", stats.traffic.broadcast},
          {"expert_exchange_bytes", stats.router.exchanged_bytes}};
}

void report(const GenerateOptions& o, const Engine& engine, const Result& r, const Output& output) {
  const std::string mesh = engine.info().mesh.describe();
  const EngineStats stats = engine.stats();
  if (o.json) {
    const json object = {{"prompt_token_ids", r.prompt_ids},
                         {"token_ids", r.ids},
                         {"text", output.text()},
                         {"finish_reason", name(r.finish)},
                         {"timings",
                          {{"load_s", r.timings.load_s},
                           {"ttft_s", r.timings.ttft_s},
                           {"prefill_tok_s", r.prefill_rate()},
                           {"decode_tok_s", r.decode_rate()}}},
                         {"load", {{"read_bytes", engine.info().loaded.read}, {"kept_bytes", engine.info().loaded.kept}}},
                         {"seed", r.seed},
                         {"mesh", mesh},
                         {"router", router_of(stats)},
                         {"traffic", traffic_of(stats)},
                         {"fingerprint", fingerprint_text(r.fingerprint)}};
    std::printf("%s\n", object.dump().c_str());
    std::fflush(stdout);
  }
  std::fprintf(stderr,
               "%zu prompt tokens at %.1f tokens/s, %zu generated at %.1f tokens/s (%s); first token after "
               "%.3f s, load %.3f s; "
               "mesh %s; fingerprint %s\n",
               r.prompt_ids.size(), r.prefill_rate(), r.ids.size(), r.decode_rate(), name(r.finish), r.timings.ttft_s,
               r.timings.load_s, mesh.c_str(), fingerprint_text(r.fingerprint).c_str());
  if (!stats.router.tokens_per_expert.empty())
    std::fprintf(stderr,
                 "router entropy %.2f bits, hottest expert %.1f %% of the tokens; rank 0 sent %lld bytes of tokens "
                 "and results to other ranks' experts\n",
                 stats.router.entropy(), 100 * stats.router.hottest_share(),
                 static_cast<long long>(stats.router.exchanged_bytes));
  if (engine.info().mesh.world > 1)
    std::fprintf(stderr, "rank 0 sent to other ranks: %lld bytes by all-to-all, %lld by all-gather, %lld by broadcast\n",
                 static_cast<long long>(stats.traffic.all_to_all), static_cast<long long>(stats.traffic.all_gather),
                 static_cast<long long>(stats.traffic.broadcast));
}

}  // namespace

int run_generate(const GenerateOptions& o) {
  check_options(o);
  const Stopwatch load;
  Result result;
  std::unique_ptr<Tokenizer> tokenizer;
  std::optional<Output> output;
  const auto prepare = [&](const ModelInfo& model, int64_t max_model_len) {
    if (!o.token_ids) tokenizer = open_tokenizer(o.common.model);
    result.prompt_ids = prompt_ids(o, tokenizer.get());
    check_prompt(result.prompt_ids, model.vocab_size, max_model_len);
    output.emplace(tokenizer.get(), result.prompt_ids, o.stop, !o.json);
  };
  return run_job(o.common, prepare, [&](Engine& engine) {
    result.timings.load_s = load.seconds();
    result.seed = o.seed ? *o.seed : fresh_seed();
    generate(engine, o, *output, result);
    if (!stdout_failed()) report(o, engine, result, *output);
  });
}

}  // namespace weft
