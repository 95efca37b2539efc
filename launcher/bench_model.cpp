#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>

#include "kernels/core/check.h"
#include "launcher/job.h"
#include "launcher/report.h"
#include "runtime/engine/fingerprint.h"

namespace weft {
namespace {

// Peak resident memory of this process.
int64_t rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

// One row of the report: a combination of the lists.
struct Shape {
  int pp, tg, depth, batch;
};

std::vector<Shape> shapes_of(const BenchModelOptions& o) {
  std::vector<Shape> all;
  for (const int depth : o.depth)
    for (const int batch : o.batch)
      for (const int pp : o.pp)
        for (const int tg : o.tg) all.push_back({pp, tg, depth, batch});
  return all;
}

void check(const Shape& s, const BenchModelOptions& o, int64_t max_model_len) {
  if (s.pp >= max_model_len || int64_t{s.depth} + s.tg + 2 > max_model_len)
    bad_input("--pp ", s.pp, " or --depth ", s.depth, " with --tg ", s.tg, " exceeds --max-model-len ", max_model_len);
  if (s.batch > o.common.engine.max_seqs) bad_input("--batch ", s.batch, " exceeds --max-seqs ", o.common.engine.max_seqs);
}

class Bench {
 public:
  // Prompts follow from the shape alone: a row has the same fingerprint whatever rows are before it.
  Bench(Engine& engine, const Shape& shape)
      : engine_(engine), o_(shape), random_(((o_.pp * 131ull + o_.tg) * 131 + o_.depth) * 131 + o_.batch) {}

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
      if (event.finish == FinishReason::error) throw WorkError(event.error);
      if (event.finish != FinishReason::none) fingerprints_[event.id] = event.fingerprint;
    }
    return static_cast<int64_t>(events.size());
  }

  Engine& engine_;
  const Shape o_;
  std::mt19937_64 random_;
  std::vector<uint64_t> fingerprints_;
};

void measure(Engine& engine, const BenchModelOptions& o, const Shape& shape, Report& report) {
  const EngineInfo& info = engine.info();
  Bench bench(engine, shape);
  std::vector<double> ttft, prefill, decode;
  for (int i = 0; i <= o.repetitions; ++i) {
    const double first = shape.pp > 0 ? bench.prefill() : 0, rate = shape.tg > 0 ? bench.decode() : 0;
    if (i == 0) continue;  // warm-up
    if (shape.pp > 0) ttft.push_back(first), prefill.push_back(shape.pp / first);
    if (shape.tg > 0) decode.push_back(rate);
  }
  if (report.is_text()) {
    if (shape.pp > 0)
      std::printf("prefill of %d tokens: %.1f tokens/s (first token after %.3f s)\n", shape.pp, median(prefill),
                  median(ttft));
    if (shape.tg > 0)
      std::printf("decode of %d x %d tokens at depth %d: %.1f tokens/s\n", shape.batch, shape.tg, shape.depth,
                  median(decode));
    std::printf("peak resident %.1f MiB, weights %.1f MiB, %d threads, mesh %s, arithmetic %s, fingerprint %s\n",
                rss_bytes() / 1048576.0, info.weight_bytes / 1048576.0, info.threads, info.mesh.describe().c_str(),
                name(info.arithmetic), fingerprint_text(bench.fingerprint()).c_str());
    return;
  }
  nlohmann::ordered_json row = {{"model", o.common.model},
                                {"model_type", engine.model().model_type},
                                {"ranks", info.mesh.world},
                                {"threads", info.threads},
                                {"mesh", info.mesh.describe()},
                                {"dtype", name(info.arithmetic)},
                                {"kv_dtype", name(info.kv_dtype)},
                                {"pp", shape.pp},
                                {"tg", shape.tg},
                                {"depth", shape.depth},
                                {"batch", shape.batch},
                                {"repetitions", o.repetitions}};
  add_spread(row, "prefill_tok_s", prefill);
  add_spread(row, "decode_tok_s", decode);
  add_spread(row, "ttft_s", ttft);
  row.update({{"rss_bytes", rss_bytes()},
              {"weights_bytes", info.weight_bytes},
              {"fingerprint", fingerprint_text(bench.fingerprint())}});
  report.row(row);
}

}  // namespace

int run_bench_model(const BenchModelOptions& options, Report report) {
  const std::vector<Shape> shapes = shapes_of(options);
  const auto prepare = [&](const ModelInfo&, int64_t max_model_len) {
    for (const Shape& shape : shapes) check(shape, options, max_model_len);
  };
  return run_job(options.common, prepare, [&](Engine& engine) {
    for (const Shape& shape : shapes) measure(engine, options, shape, report);
  });
}

}  // namespace weft
