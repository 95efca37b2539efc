#pragma once
// The commands that run a model. Each runs on every rank of the job and returns the process's exit code; rank
// 0 alone writes stdout and files. Bad input is thrown as InputError on every rank that knows of it.
#include <optional>
#include <string>
#include <vector>

#include "kernels/sample/sample.h"
#include "launcher/report.h"
#include "runtime/engine/config.h"

namespace weft {

constexpr double kStepTimeout = 10;  // seconds; the default of --step-timeout, and what counts where there is no such flag

struct CommonOptions {
  std::string model;  // Hugging Face directory or GGUF file
  EngineConfig engine;
};

// Exactly one of prompt, prompt_file, chat_file and token_ids.
struct GenerateOptions {
  CommonOptions common;
  std::optional<std::string> prompt, prompt_file;
  std::optional<std::string> chat_file;  // JSON of a chat (chat_file.h)
  std::optional<std::string> token_ids;  // "1,2,3": needs no tokenizer, gives no text
  bool chat = false;                     // the prompt is one user message, put into the model's chat template
  int max_tokens = 256;
  SamplingParams sampling;
  std::optional<uint64_t> seed;  // none: a fresh one
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool json = false;
};
int run_generate(const GenerateOptions& options);

struct ScoreOptions {
  CommonOptions common;
  std::string input, output;  // cases JSON, safetensors
};
int run_score(const ScoreOptions& options);

// Every combination of the lists is measured.
struct BenchModelOptions {
  CommonOptions common;
  std::vector<int> pp{512}, tg{128};  // 0 leaves the measurement out
  std::vector<int> depth{0}, batch{1};
  int repetitions = 3;
};
int run_bench_model(const BenchModelOptions& options, Report report);

}  // namespace weft
