#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "kernels/core/check.h"
#include "runtime/text/gguf_pre_tokenizer.h"
#include "runtime/weights/end_tokens.h"
#include "runtime/weights/gguf_chat_templates.h"
#include "runtime/weights/json.h"
#include "runtime/weights/output_file.h"
#include "runtime/weights/pre_tokenizers.h"
#include "runtime/weights/tokenizer_files.h"

namespace weft {
namespace {

using nlohmann::json;

constexpr int64_t kControl = 3, kUserDefined = 4;  // tokenizer.ggml.token_type

void write_json(const json& value, const std::string& directory, const char* name) {
  try {
    OutputFile file((std::filesystem::path(directory) / name).string());
    file.write(value.dump(1, ' ', false));
    file.finish();
  } catch (const json::exception&) {
    bad_input(name, " cannot be written: the GGUF's tokenizer holds text that is not UTF-8");
  }
}

class TokenizerReader {
 public:
  explicit TokenizerReader(const GgufFile& file)
      : file_(file),
        tokens_(file.get_string_array("tokenizer.ggml.tokens")),
        types_(file.get_int_array("tokenizer.ggml.token_type")),
        ends_(end_token_ids(file)),
        pre_(gguf_pre_tokenizer(file.get_string("tokenizer.ggml.pre").value_or(""))) {
    if (!types_.empty() && types_.size() != tokens_.size())
      bad_input(file.path(), ": ", tokens_.size(), " tokens but ", types_.size(), " token types");
  }

  json tokenizer() const {
    json vocab = json::object(), added = json::array();
    for (size_t id = 0; id < tokens_.size(); ++id) {
      vocab[std::string(tokens_[id])] = id;
      const bool end = std::ranges::count(ends_, static_cast<int64_t>(id)) != 0;
      const int64_t type = end ? kControl : types_.empty() ? 0 : types_[id];
      if (type == kControl || type == kUserDefined)
        added.push_back({{"id", id},
                         {"content", tokens_[id]},
                         {"single_word", false},
                         {"lstrip", false},
                         {"rstrip", false},
                         {"normalized", false},
                         {"special", type == kControl}});
    }
    if (vocab.size() != tokens_.size()) bad_input(file_.path(), ": the vocabulary holds a token twice");
    json merges = json::array();
    for (const std::string_view merge : file_.get_string_array("tokenizer.ggml.merges")) merges.push_back(merge);
    return {{"version", "1.0"},
            {"truncation", nullptr},
            {"padding", nullptr},
            {"added_tokens", added},
            {"normalizer", pre_.nfc ? json{{"type", "NFC"}} : json(nullptr)},
            {"pre_tokenizer", pre_tokenizer_json(pre_.patterns)},
            {"post_processor", post_processor()},
            {"decoder", byte_level()},
            {"model",
             {{"type", "BPE"},
              {"dropout", nullptr},
              {"unk_token", nullptr},
              {"continuing_subword_prefix", nullptr},
              {"end_of_word_suffix", nullptr},
              {"fuse_unk", false},
              {"byte_fallback", false},
              {"ignore_merges", pre_.ignore_merges},
              {"vocab", vocab},
              {"merges", merges}}}};
  }

  json tokenizer_config() const {
    json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
    for (const auto& [name, key] :
         {std::pair("bos_token", "bos"), {"eos_token", "eos"}, {"unk_token", "unknown"}, {"pad_token", "padding"}})
      if (const auto id = special_id(key)) config[name] = tokens_[*id];
    const ChatTemplates templates = read_chat_templates(file_);
    if (templates.size() == 1 && templates.contains("default")) {
      config["chat_template"] = templates.at("default");
    } else {
      for (const auto& [name, source] : templates) config["chat_template"].push_back({{"name", name}, {"template", source}});
    }
    return config;
  }

 private:
  static json byte_level() {
    return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  }

  std::optional<size_t> special_id(const char* which) const {
    const std::string key = cat("tokenizer.ggml.", which, "_token_id");
    const auto id = file_.get_int(key);
    if (!id) return std::nullopt;
    if (*id < 0 || *id >= static_cast<int64_t>(tokens_.size()))
      bad_input(file_.path(), ": ", key, " is ", *id, "; there are ", tokens_.size(), " tokens");
    return static_cast<size_t>(*id);
  }

  // Adds BOS before and EOS after a text where the flags say so.
  json post_processor() const {
    json before = json::array(), after = json::array(), special = json::object();
    const auto add = [&](const char* which, bool wanted, json& pieces) {
      const auto id = special_id(which);
      if (!wanted || !id) return;
      const std::string token(tokens_[*id]);
      pieces.push_back({{"SpecialToken", {{"id", token}, {"type_id", 0}}}});
      special[token] = {{"id", token}, {"ids", {*id}}, {"tokens", {token}}};
    };
    add("bos", file_.get_bool("tokenizer.ggml.add_bos_token").value_or(pre_.add_bos), before);
    add("eos", file_.get_bool("tokenizer.ggml.add_eos_token").value_or(false), after);
    if (special.empty()) return byte_level();
    const auto joined = [&](const char* sequence) {
      json pieces = before;
      pieces.push_back({{"Sequence", {{"id", sequence}, {"type_id", 0}}}});
      pieces.insert(pieces.end(), after.begin(), after.end());
      return pieces;
    };
    json pair = joined("A");
    for (const json& piece : joined("B")) pair.push_back(piece);
    return {{"type", "TemplateProcessing"}, {"single", joined("A")}, {"pair", pair}, {"special_tokens", special}};
  }

  const GgufFile& file_;
  std::vector<std::string_view> tokens_;
  std::vector<int64_t> types_, ends_;
  const GgufPreTokenizer& pre_;
};

}  // namespace

bool write_tokenizer_files(const GgufFile& file, const std::string& directory) {
  if (file.get_string("tokenizer.ggml.model") != "gpt2") return false;
  const TokenizerReader reader(file);
  write_json(reader.tokenizer(), directory, "tokenizer.json");
  write_json(reader.tokenizer_config(), directory, "tokenizer_config.json");
  return true;
}

}  // namespace weft
