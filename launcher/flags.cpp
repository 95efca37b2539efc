#include "launcher/flags.h"

#include <CLI/CLI.hpp>

#include "kernels/core/check.h"
#include "launcher/help.h"

namespace weft {
namespace {

const CLI::Validator positive = range(1, 1 << 30);

// What check_sampling() takes, which help describes as `allowed`.
template <class T>
CLI::Validator sampling_value(T SamplingParams::*field, const char* allowed) {
  const auto check = [=](std::string& text) -> std::string {
    SamplingParams params;
    if (!CLI::detail::lexical_cast(text, params.*field)) return cat("'", text, "' is no number; it must be ", allowed);
    try {
      check_sampling(params);
      return "";
    } catch (const InputError& e) {
      return e.what();
    }
  };
  return CLI::Validator(check, allowed);
}

}  // namespace

void add_mesh_flags(CLI::App& command, MeshRequest& mesh, const char* pp_flag) {
  command.add_option("--tp", mesh.tp, "tensor-parallel ranks")->check(positive)->default_str("all ranks")->group("Mesh");
  command.add_option("--ep", mesh.ep, "ranks that own whole experts; 1 splits every expert over all ranks")
      ->check(positive)->default_str("all ranks, at most one an expert")->group("Mesh");
  command.add_option(pp_flag, mesh.pp, "pipeline-parallel ranks; only 1 is supported")->check(positive)->default_str("1")->group("Mesh");
  command.add_option("--dp", mesh.dp, "data-parallel groups; only 1 is supported")->check(positive)->default_str("1")->group("Mesh");
}

void add_engine_flags(CLI::App& command, EngineConfig& c, const char* pp_flag) {
  add_mesh_flags(command, c.mesh, pp_flag);
  const char* group = "Engine";
  command.add_option("--dtype", c.dtype, "arithmetic of activations; auto: q8 for quantised weights, else the checkpoint's own")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "f16", "q8"}))->capture_default_str()->group(group);
  command.add_option("--kv-dtype", c.kv_dtype, "type of the KV cache; auto: f32, bf16 or f16 as --dtype asks for")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "f16"}))->capture_default_str()->group(group);
  command.add_option("--device", c.device, "where to run; this build has cpu")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))->capture_default_str()->group(group);
  command.add_option("--threads", c.threads, "threads a rank")->check(positive)->default_str("this rank's share of the CPUs")->group(group);
  command.add_option("--max-model-len", c.max_model_len, "longest prompt and answer together, in tokens")
      ->check(positive)->default_str("the model's, at most 8192")->group(group);
  command.add_option("--max-seqs", c.max_seqs, "sequences in a batch at most")->check(range(1, 65536))->capture_default_str()->group(group);
  command.add_option("--max-batch-tokens", c.max_batch_tokens, "tokens of one step at most; longer prompts are prefilled in chunks")
      ->check(range(1, 1 << 20))->capture_default_str()->group(group);
  command
      .add_option(
          "--expert-capacity", c.expert_capacity,
          "rows of tokens that a rank computes experts for at one time; a step that sends it more takes further rounds")
      ->check(range(1, 1 << 30))
      ->default_str("twice an even share of the largest step")
      ->group(group);
  command.add_option("--kv-memory", c.kv_memory, "KV cache a rank, in bytes or with K, M or G (of 1024)")
      ->transform(CLI::AsSizeValue(false))->default_str("what --max-seqs of --max-model-len need, at most a quarter of the memory of the machine or container, beside the weights")->group(group);
  command.add_option("--block-size", c.block_size, "positions a KV block, a multiple of 16")->check(range(16, 4096))->capture_default_str()->group(group);
}

void add_sampling_flags(CLI::App& command, SamplingParams& s, std::optional<uint64_t>& seed, std::vector<std::string>& stop) {
  const char* group = "Sampling";
  command.add_option("--temperature", s.temperature, "0 is greedy")
      ->check(sampling_value(&SamplingParams::temperature, "0 … 100"))->capture_default_str()->group(group);
  command.add_option("--top-k", s.top_k, "keep the k likeliest tokens; 0 is off")
      ->check(sampling_value(&SamplingParams::top_k, "0 …"))->capture_default_str()->group(group);
  command.add_option("--top-p", s.top_p, "keep the likeliest tokens that make up this mass")
      ->check(sampling_value(&SamplingParams::top_p, "above 0, at most 1"))->capture_default_str()->group(group);
  command.add_option("--min-p", s.min_p, "drop tokens below this share of the likeliest one's probability")
      ->check(sampling_value(&SamplingParams::min_p, "0 … 1"))->capture_default_str()->group(group);
  command.add_option("--repetition-penalty", s.repetition_penalty, "above 1 discourages tokens seen before")
      ->check(sampling_value(&SamplingParams::repetition_penalty, "above 0, at most 100"))->capture_default_str()->group(group);
  command.add_option("--presence-penalty", s.presence_penalty, "above 0 discourages tokens generated before")
      ->check(sampling_value(&SamplingParams::presence_penalty, "-2 … 2"))->capture_default_str()->group(group);
  command.add_option("--frequency-penalty", s.frequency_penalty, "the same, once for each time a token was generated")
      ->check(sampling_value(&SamplingParams::frequency_penalty, "-2 … 2"))->capture_default_str()->group(group);
  command.add_option("--seed", seed, "draws depend on the seed and the position only; --json tells it")
      ->default_str("a fresh one each time")->group(group);
  command.add_option("--stop", stop, "end before this text; may be given several times")->group(group);
}

void add_log_level(CLI::App& command, std::string& level) {
  command.add_option("--log-level", level, "what stderr shows")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "warn", "error", "off"}))->capture_default_str();
}

}  // namespace weft
