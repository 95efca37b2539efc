#include "runtime/weights/pre_tokenizers.h"

#include <array>
#include <nlohmann/json.hpp>

namespace weft {
namespace {

using nlohmann::json;

constexpr const char* kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kAliases = {
    {{"llama3", "llama-bpe"}, {"llama-v3", "llama-bpe"}, {"deepseek-r1-qwen", "qwen2"}, {"megrez", "qwen2"}}};

std::string_view canonical(std::string_view name) {
  for (const auto& [alias, meaning] : kAliases)
    if (alias == name) return meaning;
  return name;
}

// use_regex: split with GPT-2's pattern first.
json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

json split_then_bytes(const char* pattern) {
  const json split = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", json::array({split, byte_level(false)})}};
}

json smollm() {
  const json digits = {{"type", "Digits"}, {"individual_digits", true}};
  return {{"type", "Sequence"}, {"pretokenizers", json::array({digits, byte_level(true)})}};
}

// trim_offsets only concerns character offsets; use_regex is true where it is not said.
void drop_immaterial(json& pre_tokenizer) {
  if (!pre_tokenizer.is_object()) return;
  if (pre_tokenizer.contains("pretokenizers") && pre_tokenizer["pretokenizers"].is_array())
    for (json& part : pre_tokenizer["pretokenizers"]) drop_immaterial(part);
  if (pre_tokenizer.value("type", json()) != "ByteLevel") return;
  pre_tokenizer.erase("trim_offsets");
  if (!pre_tokenizer.contains("use_regex")) pre_tokenizer["use_regex"] = true;
}

}  // namespace

std::optional<json> pre_tokenizer_json(std::string_view gguf_name) {
  const std::string_view name = canonical(gguf_name);
  if (name == "gpt-2") return byte_level(true);
  if (name == "smollm") return smollm();
  if (name == "llama-bpe") return split_then_bytes(kLlama3Pattern);
  if (name == "qwen2") return split_then_bytes(kQwen2Pattern);
  return std::nullopt;
}

std::optional<std::string> pre_tokenizer_name(const json& pre_tokenizer) {
  if (!pre_tokenizer.is_object()) return std::nullopt;
  json wanted = pre_tokenizer;
  drop_immaterial(wanted);
  for (const char* name : {"gpt-2", "smollm", "llama-bpe", "qwen2"}) {
    json known = *pre_tokenizer_json(name);
    drop_immaterial(known);
    if (known == wanted) return name;
  }
  return std::nullopt;
}

bool normalises_to_nfc(std::string_view gguf_name) { return canonical(gguf_name) == "qwen2"; }
bool ignores_merges(std::string_view gguf_name) { return canonical(gguf_name) == "llama-bpe"; }

}  // namespace weft
