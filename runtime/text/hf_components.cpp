#include "runtime/text/hf_components.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "kernels/core/check.h"

namespace weft {
namespace {

using Json = nlohmann::json;

[[noreturn]] void unsupported(std::string_view what, std::string_view name) {
  bad_input(what, " '", name, "' is not supported");
}

// {"String": "..."} or {"Regex": "..."}
Regex read_pattern(const Json& json) {
  if (json.contains("String")) return Regex(Regex::quote(json["String"].get<std::string>()));
  return Regex(json.at("Regex").get<std::string>());
}

void append_normalizer(const Json& json, Normalizer& steps) {
  const std::string type = json.at("type");
  static const std::map<std::string, UnicodeForm::Name> forms = {
      {"NFC", UnicodeForm::nfc}, {"NFD", UnicodeForm::nfd}, {"NFKC", UnicodeForm::nfkc}, {"NFKD", UnicodeForm::nfkd}};
  if (const auto form = forms.find(type); form != forms.end()) {
    steps.push_back(UnicodeForm{form->second});
  } else if (type == "Lowercase") {
    steps.push_back(Lowercase{});
  } else if (type == "Strip") {
    steps.push_back(Strip{json.at("strip_left"), json.at("strip_right")});
  } else if (type == "Prepend") {
    steps.push_back(Prepend{json.at("prepend")});
  } else if (type == "Replace") {
    Replace step{read_pattern(json.at("pattern")), json.at("content")};
    Regex::Matcher matcher(step.pattern);
    matcher.start("");
    if (matcher.next().first == 0) unsupported("a Replace of nothing by", json.dump());
    steps.push_back(std::move(step));
  } else if (type == "Sequence") {
    for (const Json& step : json.at("normalizers")) append_normalizer(step, steps);
  } else {
    unsupported("normalizer", type);
  }
}

SplitBehavior read_behavior(const std::string& name) {
  static const std::map<std::string, SplitBehavior> behaviors = {
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous},
  };
  const auto found = behaviors.find(name);
  if (found == behaviors.end()) unsupported("split behavior", name);
  return found->second;
}

void append_byte_level(const Json& json, std::vector<PreTokenizerStep>& steps) {
  if (json.value("add_prefix_space", true)) steps.push_back(PrefixStep{" "});
  if (json.value("use_regex", true)) steps.push_back(SplitStep{Regex(kGpt2Pattern)});
  steps.push_back(ByteAlphabetStep{});
}

void append_metaspace(const Json& json, std::vector<PreTokenizerStep>& steps) {
  const std::string space = json.at("replacement");
  // Files from before prepend_scheme say add_prefix_space.
  const std::string scheme = json.value("prepend_scheme", json.value("add_prefix_space", true) ? "always" : "never");
  if (scheme != "always" && scheme != "first" && scheme != "never") unsupported("Metaspace prepend_scheme", scheme);
  steps.push_back(ReplaceSpaceStep{space});
  if (scheme != "never") steps.push_back(PrefixStep{space, scheme == "first"});
  if (json.value("split", true)) {
    steps.push_back(SplitStep{Regex(Regex::quote(space)), SplitBehavior::merged_with_next});
  }
}

void append_pre_tokenizer(const Json& json, std::vector<PreTokenizerStep>& steps) {
  const std::string type = json.at("type");
  if (type == "ByteLevel") {
    append_byte_level(json, steps);
  } else if (type == "Split") {
    steps.push_back(
        SplitStep{read_pattern(json.at("pattern")), read_behavior(json.at("behavior")), json.value("invert", false)});
  } else if (type == "Digits") {
    steps.push_back(SplitStep{Regex(json.value("individual_digits", false) ? "\\p{N}" : "\\p{N}+")});
  } else if (type == "Punctuation") {
    steps.push_back(SplitStep{Regex(R"([\p{P}!-/:-@\[-`{-~])"), read_behavior(json.value("behavior", "Isolated"))});
  } else if (type == "WhitespaceSplit") {
    steps.push_back(SplitStep{Regex(R"(\s)"), SplitBehavior::removed});
  } else if (type == "Whitespace") {  // words and what else is not white space
    steps.push_back(SplitStep{Regex(R"([\w\x{200C}\x{200D}]+|[^\w\x{200C}\x{200D}\s]+)"), SplitBehavior::removed, true});
  } else if (type == "CharDelimiterSplit") {
    steps.push_back(SplitStep{Regex(Regex::quote(json.at("delimiter").get<std::string>())), SplitBehavior::removed});
  } else if (type == "Metaspace") {
    append_metaspace(json, steps);
  } else if (type == "Sequence") {
    for (const Json& step : json.at("pretokenizers")) append_pre_tokenizer(step, steps);
  } else {
    unsupported("pre-tokenizer", type);
  }
}

Vocabulary read_vocabulary(const Json& json) {
  Vocabulary vocabulary;
  vocabulary.reserve(json.size());
  for (const auto& [piece, id] : json.items()) vocabulary.add(piece, id.get<int32_t>());
  return vocabulary;
}

// A merge is "left right" in older files, ["left", "right"] in newer ones.
std::pair<std::string, std::string> read_merge(const Json& json) {
  if (json.is_array() && json.size() == 2) return {json[0], json[1]};
  const std::string text = json;
  const size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
    bad_input("merge '", text, "' is not two tokens with a space between them");
  }
  return {text.substr(0, space), text.substr(space + 1)};
}

MergeTable read_merges(const Json& json, const Vocabulary& vocabulary) {
  MergeTable table(json.size());
  int32_t rank = 0;
  for (const Json& entry : json) {
    const auto [left, right] = read_merge(entry);
    const int32_t ids[] = {vocabulary.find(left), vocabulary.find(right), vocabulary.find(left + right)};
    if (std::ranges::count(ids, kNoToken) != 0) {
      bad_input("merge '", left, "' + '", right, "': both and what they become must be in the vocabulary");
    }
    table.add(ids[0], ids[1], {rank++, ids[2]});
  }
  return table;
}

// One item of a template: the text itself, or special tokens to add on the side of it where the template
// stands.
void append_template_item(const Json& item, const Json& special_tokens, bool& after_text, TokenizerParts& parts) {
  if (item.contains("Sequence")) {
    if (item["Sequence"].at("id") != "A" || after_text) unsupported("post-processor template", item.dump());
    after_text = true;
    return;
  }
  const std::string name = item.at("SpecialToken").at("id");
  for (const int32_t id : special_tokens.at(name).at("ids")) (after_text ? parts.suffix : parts.prefix).push_back(id);
}

}  // namespace

Normalizer read_normalizer(const Json& json) {
  Normalizer steps;
  if (!json.is_null()) append_normalizer(json, steps);
  return steps;
}

std::vector<PreTokenizerStep> read_pre_tokenizer(const Json& json) {
  std::vector<PreTokenizerStep> steps;
  if (!json.is_null()) append_pre_tokenizer(json, steps);
  return steps;
}

Bpe read_bpe(const Json& json) {
  const std::string type = json.value("type", "BPE");  // files from before `type` are BPE if they have merges
  if (type != "BPE") unsupported("tokenizer model", type);
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (json.contains(key) && !json[key].is_null() && json[key] != "") unsupported("BPE setting", key);
  }
  if (json.contains("dropout") && !json["dropout"].is_null() && json["dropout"] != 0.0)
    unsupported("BPE setting", "dropout");
  Vocabulary vocabulary = read_vocabulary(json.at("vocab"));
  MergeTable merges = read_merges(json.at("merges"), vocabulary);
  BpeOptions options{.ignore_merges = json.value("ignore_merges", false),
                     .byte_fallback = json.value("byte_fallback", false),
                     .fuse_unk = json.value("fuse_unk", false)};
  if (json.contains("unk_token") && json["unk_token"].is_string()) {
    const std::string unk = json["unk_token"];
    options.unk = vocabulary.find(unk);
    if (options.unk == kNoToken) bad_input("unk_token '", unk, "' is not in the vocabulary");
  }
  return Bpe(std::move(vocabulary), std::move(merges), options);
}

void read_post_processor(const Json& json, TokenizerParts& parts) {
  if (json.is_null()) return;
  const std::string type = json.at("type");
  if (type == "ByteLevel") return;  // moves offsets only
  if (type == "Sequence") {
    for (const Json& step : json.at("processors")) read_post_processor(step, parts);
  } else if (type == "TemplateProcessing") {
    bool after_text = false;
    for (const Json& item : json.at("single")) {
      append_template_item(item, json.at("special_tokens"), after_text, parts);
    }
    if (!after_text) unsupported("post-processor template without the text", json.at("single").dump());
  } else {
    unsupported("post-processor", type);
  }
}

Decoder read_decoder(const Json& json) {
  Decoder decoder;
  if (json.is_null()) unsupported("decoder", "null");
  const std::string type = json.at("type");
  if (type == "ByteLevel") {
    decoder.byte_alphabet = true;
    return decoder;
  }
  bool fused = false;
  for (const Json& step : type == "Sequence" ? json.at("decoders") : Json::array({json})) {
    const std::string name = step.at("type");
    if (name == "Replace" && !fused && !decoder.byte_fallback && step.at("pattern").contains("String")) {
      decoder.replacements.emplace_back(step["pattern"]["String"], step.at("content"));
    } else if (name == "ByteFallback" && !fused) {
      decoder.byte_fallback = true;
    } else if (name == "Fuse") {
      fused = true;
    } else if (name == "Strip" && fused && step.at("content") == " " && step.at("stop") == 0) {
      decoder.strip_leading_spaces += step.at("start").get<int>();
    } else {
      unsupported("decoder", json == step ? name : step.dump());
    }
  }
  return decoder;
}

}  // namespace weft
