#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>

#include "kernels/core/check.h"
#include "launcher/job.h"

namespace weft {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

// Peak resident memory of this process.
int64_t rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

void check_options(const BenchModelOptions& o, const EngineInfo& info) {
  const auto at_least = [](const char* flag, int value, int low) {
    if (value < low) bad_input(flag, " is ", value, "; it must be at least ", low);
  };
  at_least("--pp", o.pp, 0);
  at_least("--tg", o.tg, 0);
  at_least("--depth", o.depth, 0);
  at_least("--batch", o.batch, 1);
  at_least("--repetitions", o.repetitions, 1);
  if (o.pp >= info.max_model_len || int64_t{o.depth} + o.tg + 2 > info.max_model_len)
    bad_input("--pp ", o.pp, " or --depth ", o.depth, " with --tg ", o.tg, " exceeds --max-model-len ", info.max_model_len);
  if (o.batch > o.common.engine.max_seqs) bad_input("--batch ", o.batch, " exceeds --max-seqs ", o.common.engine.max_seqs);
}

class Bench {
 public:
  Bench(Engine& engine, const BenchModelOptions& options) : engine_(engine), o_(options) {}

  // Seconds from submitting a prompt of pp tokens to its first generated one.
  double prefill() {
    const Stopwatch clock;
    submit(random_ids(o_.pp), 1);
    while (engine_.has_work()) step();
    return clock.seconds();
  }

  // Tokens per second of `batch` sequences while all of them generate.
  double decode() {
    std::vector<std::vector<int32_t>> prompts;
    for (int i = 0; i < o_.batch; ++i) prompts.push_back(random_ids(std::max(1, o_.depth)));
    // Prompts go into the prefix cache first, so that all sequences start (nearly) together at the wanted
    // depth.
    for (const auto& prompt : prompts) submit(prompt, 1);
    while (engine_.has_work()) step();

    for (const auto& prompt : prompts) submit(prompt, o_.tg + 1);
    while (engine_.has_work() && step() < o_.batch) {
    }
    const Stopwatch clock;
    int64_t tokens = 0;
    double seconds = 0;
    for (bool all = true; all && engine_.has_work();) {
      const int64_t events = step();
      all = events == o_.batch;
      if (all) tokens += events, seconds = clock.seconds();
    }
    while (engine_.has_work()) step();
    if (tokens == 0) bad_input("--tg ", o_.tg, " is too short for ", o_.batch, " sequences to generate together");
    return static_cast<double>(tokens) / seconds;
  }

  // Of all requests so far, in the order they were submitted.
  uint64_t fingerprint() const {
    uint64_t all = 0;
    for (const uint64_t one : fingerprints_) all = (all ^ one) * 0x9e3779b97f4a7c15u;
    return all;
  }

 private:
  std::vector<int32_t> random_ids(int n) {
    std::vector<int32_t> ids(n);
    for (int32_t& id : ids) id = static_cast<int32_t>(random_() % static_cast<uint64_t>(engine_.model().vocab_size));
    return ids;
  }

  void submit(const std::vector<int32_t>& prompt, int max_tokens) {
    Request request;
    request.id = fingerprints_.size();
    request.prompt = prompt;
    request.max_tokens = max_tokens;
    request.ignore_eos = true;
    engine_.submit(request);
    fingerprints_.push_back(0);
  }

  int64_t step() {
    const std::vector<TokenEvent> events = engine_.step();
    for (const TokenEvent& event : events) {
      if (event.finish == FinishReason::error) throw std::runtime_error(event.error);
      if (event.finish != FinishReason::none) fingerprints_[event.id] = event.fingerprint;
    }
    return static_cast<int64_t>(events.size());
  }

  Engine& engine_;
  const BenchModelOptions& o_;
  std::mt19937_64 random_{1};
  std::vector<uint64_t> fingerprints_;
};

void bench(Engine& engine, const BenchModelOptions& o) {
  const EngineInfo& info = engine.info();
  check_options(o, info);
  Bench bench(engine, o);
  std::vector<double> ttft, decode;
  for (int i = 0; i <= o.repetitions; ++i) {
    if (o.pp > 0) ttft.push_back(bench.prefill());
    if (o.tg > 0) decode.push_back(bench.decode());
    if (i == 0) ttft.clear(), decode.clear();  // warm-up
  }
  const std::string fingerprint = hex(bench.fingerprint()), mesh = info.mesh.describe();
  if (o.json) {
    using Json = nlohmann::ordered_json;
    const Json json = {{"prefill_tok_s", o.pp > 0 ? Json(o.pp / median(ttft)) : Json()},
                       {"decode_tok_s", o.tg > 0 ? Json(median(decode)) : Json()},
                       {"ttft_s", o.pp > 0 ? Json(median(ttft)) : Json()},
                       {"rss_bytes", rss_bytes()},
                       {"weights_bytes", info.weight_bytes},
                       {"threads", info.threads},
                       {"mesh", mesh},
                       {"dtype", name(info.arithmetic)},
                       {"fingerprint", fingerprint}};
    std::printf("%s\n", json.dump().c_str());
    return;
  }
  if (o.pp > 0)
    std::printf("prefill of %d tokens: %.1f tokens/s (first token after %.3f s)\n", o.pp, o.pp / median(ttft), median(ttft));
  if (o.tg > 0) std::printf("decode of %d x %d tokens at depth %d: %.1f tokens/s\n", o.batch, o.tg, o.depth, median(decode));
  std::printf("peak resident %.1f MiB, weights %.1f MiB, %d threads, mesh %s, arithmetic %s, fingerprint %s\n",
              rss_bytes() / 1048576.0, info.weight_bytes / 1048576.0, info.threads, mesh.c_str(), name(info.arithmetic),
              fingerprint.c_str());
}

}  // namespace

int run_bench_model(const BenchModelOptions& options) {
  return run_job(options.common, [&](Engine& engine) { bench(engine, options); });
}

}  // namespace weft
