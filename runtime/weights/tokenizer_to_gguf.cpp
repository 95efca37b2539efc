#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "kernels/core/check.h"
#include "runtime/weights/json.h"
#include "runtime/weights/pre_tokenizers.h"
#include "runtime/weights/tokenizer_files.h"

namespace weft {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

enum TokenType : int32_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };  // llama.cpp's numbers

// A member that may be absent; null then.
const json& member(const json& object, const char* key) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

json read_json_if_there(const fs::path& path) {
  return fs::exists(path) ? parse_json_object(read_text_file(path.string()), path.string()) : json::object();
}

class TokenizerWriter {
 public:
  TokenizerWriter(GgufWriter& writer, const fs::path& directory)
      : writer_(writer),
        directory_(directory),
        path_((directory / "tokenizer.json").string()),
        tokenizer_(parse_json_object(read_text_file(path_), path_)),
        config_(read_json_if_there(directory / "tokenizer_config.json")) {}

  void write(int64_t vocab_size) {
    const auto pre = pre_tokenizer_name(member(tokenizer_, "pre_tokenizer"));
    if (member(model(), "type") != "BPE" || !pre)
      bad_input(path_,
                ": only byte-level BPE with the pre-tokenizers gpt-2, smollm, llama-bpe and qwen2 can be "
                "converted");
    const json& normalizer = member(tokenizer_, "normalizer");
    if (!normalizer.is_null() && member(normalizer, "type") != "NFC")
      bad_input(path_, ": normalizer ", in_quotes(normalizer.dump()), " cannot be converted");
    writer_.put_string("tokenizer.ggml.model", "gpt2");
    writer_.put_string("tokenizer.ggml.pre", *pre);
    put_tokens(vocab_size);
    put_merges();
    put_special_ids();
    put_template_ids();
    put_chat_template();
  }

 private:
  const json& model() const { return member(tokenizer_, "model"); }

  void put_tokens(int64_t vocab_size) {
    tokens_.resize(static_cast<size_t>(vocab_size));
    types_.assign(static_cast<size_t>(vocab_size), kUnused);
    for (int64_t id = 0; id < vocab_size; ++id) tokens_[static_cast<size_t>(id)] = cat("[PAD", id, "]");
    if (!member(model(), "vocab").is_object()) bad_input(path_, " has no model.vocab");
    for (const auto& [token, id] : model()["vocab"].items()) set_token(id, token, kNormal);
    for (const json& added : member(tokenizer_, "added_tokens")) {
      if (!member(added, "content").is_string()) bad_input(path_, " has an added token without content");
      set_token(member(added, "id"), added["content"].get<std::string>(),
                member(added, "special") == true ? kControl : kUserDefined);
    }
    writer_.put_strings("tokenizer.ggml.tokens", tokens_);
    writer_.put_i32s("tokenizer.ggml.token_type", types_);
  }

  void set_token(const json& id, const std::string& token, TokenType type) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= tokens_.size())
      bad_input(path_, ": token ", in_quotes(token), " has id ", in_quotes(id.dump()), "; the model has ", tokens_.size(),
                " tokens");
    tokens_[id.get<size_t>()] = token;
    types_[id.get<size_t>()] = type;
  }

  void put_merges() {
    std::vector<std::string> merges;
    for (const json& merge : member(model(), "merges")) {
      const bool pair = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
      if (!pair && !merge.is_string()) bad_input(path_, ": merge ", merges.size(), " is neither a string nor two");
      merges.push_back(pair ? merge[0].get<std::string>() + " " + merge[1].get<std::string>() : merge.get<std::string>());
      if (std::count(merges.back().begin(), merges.back().end(), ' ') != 1)
        bad_input(path_, ": merge ", in_quotes(merges.back()), " is not two parts without spaces");
    }
    writer_.put_strings("tokenizer.ggml.merges", merges);
  }

  std::optional<int64_t> find_token(const std::string& token) const {
    const auto found = std::find(tokens_.begin(), tokens_.end(), token);
    if (found == tokens_.end()) return std::nullopt;
    return found - tokens_.begin();
  }

  // "bos_token": "<s>" or {"content": "<s>"}.
  std::optional<int64_t> configured_token(const char* key) const {
    const json& value = member(config_, key);
    const json& content = value.is_object() ? member(value, "content") : value;
    return content.is_string() ? find_token(content.get<std::string>()) : std::nullopt;
  }

  // Every id that ends a text: the tokenizer's own first, then what config.json and generation_config.json
  // add.
  void put_special_ids() {
    std::vector<int64_t> ends;
    const auto add_end = [&](const json& id) {
      if (id.is_number_unsigned() && id.get<uint64_t>() < tokens_.size() &&
          std::find(ends.begin(), ends.end(), id.get<int64_t>()) == ends.end())
        ends.push_back(id.get<int64_t>());
    };
    if (const auto id = configured_token("eos_token")) add_end(static_cast<uint64_t>(*id));
    const json model_config = read_json_if_there(directory_ / "config.json");
    for (const json& config : {model_config, read_json_if_there(directory_ / "generation_config.json")}) {
      const json& ids = member(config, "eos_token_id");
      if (ids.is_array())
        for (const json& id : ids) add_end(id);
      else
        add_end(ids);
    }
    const char* const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    if (ends.size() > std::size(keys)) bad_input(path_, ": ", ends.size(), " end tokens; GGUF can name ", std::size(keys));
    for (size_t i = 0; i < ends.size(); ++i) writer_.put_u32(keys[i], ends[i]);

    bos_ = configured_token("bos_token");
    if (const json& id = member(model_config, "bos_token_id"); !bos_ && id.is_number_unsigned() && id < tokens_.size())
      bos_ = id;
    if (bos_) writer_.put_u32("tokenizer.ggml.bos_token_id", *bos_);
    if (!ends.empty()) eos_ = ends.front();
    if (const auto id = configured_token("unk_token")) writer_.put_u32("tokenizer.ggml.unknown_token_id", *id);
    if (const auto id = configured_token("pad_token")) writer_.put_u32("tokenizer.ggml.padding_token_id", *id);
  }

  // The post-processor decides whether BOS and EOS are added: "single": [{"SpecialToken": {"id": "<s>"}},
  // {"Sequence": ..}].
  void put_template_ids() {
    bool adds_bos = false, adds_eos = false;
    const json& post = member(tokenizer_, "post_processor");
    const json processors = member(post, "processors").is_array() ? post["processors"] : json::array({post});
    for (const json& processor : processors) {
      if (member(processor, "type") != "TemplateProcessing") continue;
      bool before = true;
      for (const json& piece : member(processor, "single")) {
        if (!member(piece, "Sequence").is_null()) before = false;
        const json& special = member(member(piece, "SpecialToken"), "id");
        if (!special.is_string()) continue;
        const auto id = find_token(special.get<std::string>());
        if (!id || id != (before ? bos_ : eos_))
          bad_input(path_, ": the post-processor adds ", in_quotes(special.get<std::string>()), ", which is not the ",
                    before ? "bos" : "eos", " token; GGUF cannot say so");
        (before ? adds_bos : adds_eos) = true;
      }
    }
    writer_.put_bool("tokenizer.ggml.add_bos_token", adds_bos);
    writer_.put_bool("tokenizer.ggml.add_eos_token", adds_eos);
    writer_.put_bool("tokenizer.ggml.add_space_prefix", false);
  }

  void put_chat_template() {
    const json& value = member(config_, "chat_template");
    std::optional<std::string> text;
    if (value.is_string()) text = value.get<std::string>();
    if (value.is_array())  // named templates
      for (const json& entry : value)
        if (member(entry, "name") == "default" && member(entry, "template").is_string())
          text = entry["template"].get<std::string>();
    if (const fs::path file = directory_ / "chat_template.jinja"; fs::exists(file)) text = read_text_file(file.string());
    if (text) writer_.put_string("tokenizer.chat_template", *text);
  }

  GgufWriter& writer_;
  fs::path directory_;
  std::string path_;
  json tokenizer_, config_;
  std::vector<std::string> tokens_;
  std::vector<int32_t> types_;
  std::optional<int64_t> bos_, eos_;
};

}  // namespace

bool put_tokenizer(GgufWriter& writer, const std::string& directory, int64_t vocab_size) {
  if (!fs::exists(fs::path(directory) / "tokenizer.json")) return false;
  TokenizerWriter(writer, directory).write(vocab_size);
  return true;
}

}  // namespace weft
