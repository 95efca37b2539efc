#include "runtime/weights/pre_tokenizers.h"

#include <nlohmann/json.hpp>

#include "runtime/text/pre_tokenizer.h"

namespace weft {
namespace {

using nlohmann::json;

// Appends what a step splits at; false if it is no split that keeps every match as a word. `bytes` becomes true at the step
// that spells bytes, which must be the last.
bool append_patterns(const json& step, std::vector<std::string>& patterns, bool& bytes) {
  const std::string type = step.value("type", "");
  if (bytes) return false;
  if (type == "Sequence") {
    for (const json& part : step.at("pretokenizers"))
      if (!append_patterns(part, patterns, bytes)) return false;
    return true;
  }
  if (type == "Split") {
    if (step.at("behavior") != "Isolated" || step.value("invert", false) || !step.at("pattern").contains("Regex"))
      return false;
    patterns.push_back(step["pattern"]["Regex"]);
    return true;
  }
  if (type == "Digits") {
    patterns.push_back(step.value("individual_digits", false) ? "\\p{N}" : "\\p{N}+");
    return true;
  }
  bytes = type == "ByteLevel" && !step.value("add_prefix_space", true);
  if (bytes && step.value("use_regex", true)) patterns.emplace_back(kGpt2Pattern);
  return bytes;
}

}  // namespace

json pre_tokenizer_json(const std::vector<std::string>& patterns) {
  json steps = json::array();
  for (const std::string& pattern : patterns)
    steps.push_back({{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
  steps.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

std::optional<std::vector<std::string>> pre_tokenizer_patterns(const json& pre_tokenizer) {
  std::vector<std::string> patterns;
  bool bytes = false;
  if (!pre_tokenizer.is_object() || !append_patterns(pre_tokenizer, patterns, bytes) || !bytes) return std::nullopt;
  return patterns;
}

}  // namespace weft
