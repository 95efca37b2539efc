#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "kernels/core/check.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/gguf_pre_tokenizer.h"
#include "runtime/text/tokenizer.h"
#include "runtime/text/tokenizer_parts.h"
#include "runtime/weights/gguf_chat_templates.h"
#include "runtime/weights/json.h"
#include "runtime/weights/pre_tokenizers.h"
#include "runtime/weights/tokenizer_files.h"

namespace weft {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

enum TokenType : int32_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };  // llama.cpp's numbers

// Every kind of character that tokenizers treat in a way of their own.
constexpr const char* kHardText =
    "Hello, world! it's I'LL don\u2019t 1234567 3.14  x   y\t\tz \r\n\n end \u00e9 e\u0301 \u1112\u1161\u11ab \u212b \u2126 "
    "\u4e2d\u6587\u3042\u30a2\ud55c \u00a0\u2003\u3000 \U0001F600\u200d\u2764\ufe0f camelCaseHTTPWord snake_case "
    "a/b\\c#$%^&*()[]{} "
    "\u0663\u0664 \u00b2\u00bd \u2167 \u0391\u03c9 \u0416 \u05d0 \u0939\u093f \u0e44 </s><|endoftext|> \u2581 \u0120 \n";

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
        config_(read_json_if_there(directory / "tokenizer_config.json")),
        parts_(read_hf_tokenizer(directory)) {}

  void write(int64_t vocab_size) {
    check_model();
    const std::string pre = pre_tokenizer_name();
    check_added_tokens();
    writer_.put_string("tokenizer.ggml.model", "gpt2");
    writer_.put_string("tokenizer.ggml.pre", pre);
    put_tokens(vocab_size);
    put_merges();
    put_special_ids();
    put_template_ids();
    put_chat_templates(writer_, parts_.chat.templates);
    check_ids(pre);
  }

 private:
  template <class... Args>
  [[noreturn]] void refuse(const Args&... what) const {
    bad_input(path_, ": ", what..., "; GGUF cannot say so, and other token ids would follow");
  }

  const json& model() const { return member(tokenizer_, "model"); }

  // GGUF names how a text is normalized and cut, and whether words are looked up before they are merged.
  std::string pre_tokenizer_name() const {
    const json& normalizer = member(tokenizer_, "normalizer");
    const auto is_nfc = [](const json& step) { return member(step, "type") == "NFC"; };
    const json& steps = member(normalizer, "normalizers");
    const bool nfc = is_nfc(normalizer) || (steps.is_array() && !steps.empty() && std::ranges::all_of(steps, is_nfc));
    if (!nfc && !normalizer.is_null() && !(steps.is_array() && steps.empty()))
      refuse("the normalizer is ", in_quotes(normalizer.dump()));
    const auto patterns = pre_tokenizer_patterns(member(tokenizer_, "pre_tokenizer"));
    if (!patterns)
      refuse("the pre-tokenizer is ", in_quotes(member(tokenizer_, "pre_tokenizer").dump()),
             ", which is none of byte-level BPE that splits at patterns");
    const bool ignore_merges = member(model(), "ignore_merges") == true;
    const auto name = gguf_pre_tokenizer_name({*patterns, nfc, ignore_merges});
    if (!name)
      refuse("no name of GGUF means this pre-tokenizer ", nfc ? "with" : "without", " the normalizer NFC and ",
             ignore_merges ? "with" : "without", " ignore_merges");
    return std::string(*name);
  }

  void check_model() const {
    if (member(model(), "byte_fallback") == true)
      bad_input(path_, ": only byte-level BPE is converted to GGUF; this model falls back to bytes, as SentencePiece's do");
    if (const json& unk = member(model(), "unk_token"); unk.is_string())
      for (int byte = 0; byte < 256; ++byte) {
        std::string piece;
        append_byte_alphabet(piece, std::string(1, static_cast<char>(byte)));
        if (parts_.bpe.vocabulary().find(piece) == kNoToken)
          refuse("the byte ", byte, " has no token and becomes the unknown token ", in_quotes(unk.get<std::string>()));
      }
    if (!parts_.decoder.byte_alphabet) refuse("the decoder is not ByteLevel");
  }

  void check_added_tokens() const {
    for (const AddedToken& token : parts_.added_tokens)
      for (const auto& [flag, set] : {std::pair("lstrip", token.lstrip),
                                      {"rstrip", token.rstrip},
                                      {"single_word", token.single_word},
                                      {"normalized", token.normalized && !parts_.normalizer.empty()}})
        if (set) refuse("the added token ", in_quotes(token.content), " has the flag ", flag);
  }

  // What is written, read back: whatever was overlooked above shows here.
  void check_ids(const std::string& pre) const {
    GgufTokenizerData data;
    data.model = "gpt2";
    data.pre = pre;
    data.tokens.assign(tokens_.begin(), tokens_.end());
    data.token_type = types_;
    data.merges.assign(merges_.begin(), merges_.end());
    if (bos_) data.bos_id = static_cast<int32_t>(*bos_);
    if (eos_) data.eos_id = static_cast<int32_t>(*eos_);
    data.add_bos = !parts_.prefix.empty();
    data.add_eos = !parts_.suffix.empty();
    const Tokenizer written(read_gguf_tokenizer(data)), source(parts_);
    std::string specials;
    for (const AddedToken& token : parts_.added_tokens) specials += " " + token.content + "x";
    for (const std::string_view text : {std::string_view(kHardText), std::string_view(specials)})
      if (written.encode(text, true, true) != source.encode(text, true, true))
        bad_input(path_, ": the tokenizer would give other ids as GGUF for the text ", in_quotes(text));
  }

  void put_tokens(int64_t vocab_size) {
    tokens_.resize(static_cast<size_t>(vocab_size));
    types_.assign(static_cast<size_t>(vocab_size), kUnused);
    for (int64_t id = 0; id < vocab_size; ++id) tokens_[static_cast<size_t>(id)] = cat("[PAD", id, "]");
    if (!member(model(), "vocab").is_object()) bad_input(path_, " has no model.vocab");
    for (const auto& [token, id] : model()["vocab"].items()) set_token(id, token, kNormal);
    for (const AddedToken& added : parts_.added_tokens)
      set_token(static_cast<uint64_t>(added.id), added.content, added.special ? kControl : kUserDefined);
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
    for (const json& merge : member(model(), "merges")) {
      merges_.push_back(merge.is_array() ? merge[0].get<std::string>() + " " + merge[1].get<std::string>()
                                         : merge.get<std::string>());
      if (std::ranges::count(merges_.back(), ' ') != 1)
        bad_input(path_, ": merge ", in_quotes(merges_.back()), " is not two parts without spaces");
    }
    writer_.put_strings("tokenizer.ggml.merges", merges_);
  }

  std::optional<int64_t> find_token(const std::string& token) const {
    const auto found = std::find(tokens_.begin(), tokens_.end(), token);
    if (found == tokens_.end()) return std::nullopt;
    return found - tokens_.begin();
  }

  // The token of a role that only the file's own name tells, as "pad_token".
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
    if (parts_.eos) add_end(static_cast<uint64_t>(*parts_.eos));
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

    if (parts_.bos) bos_ = *parts_.bos;
    if (const json& id = member(model_config, "bos_token_id"); !bos_ && id.is_number_unsigned() && id < tokens_.size())
      bos_ = id;
    if (bos_) writer_.put_u32("tokenizer.ggml.bos_token_id", *bos_);
    if (!ends.empty()) eos_ = ends.front();
    if (const auto id = configured_token("unk_token")) writer_.put_u32("tokenizer.ggml.unknown_token_id", *id);
    if (const auto id = configured_token("pad_token")) writer_.put_u32("tokenizer.ggml.padding_token_id", *id);
  }

  // The post-processor decides whether BOS and EOS are added.
  void put_template_ids() {
    const auto adds = [&](const std::vector<int32_t>& ids, std::optional<int64_t> token, const char* what) {
      if (ids.empty()) return false;
      if (ids.size() > 1 || ids.front() != token)
        refuse("the post-processor adds ", in_quotes(tokens_[static_cast<size_t>(ids.front())]),
               ids.size() > 1 ? " and more" : "", ", which is not the ", what, " token alone");
      return true;
    };
    writer_.put_bool("tokenizer.ggml.add_bos_token", adds(parts_.prefix, bos_, "bos"));
    writer_.put_bool("tokenizer.ggml.add_eos_token", adds(parts_.suffix, eos_, "eos"));
    writer_.put_bool("tokenizer.ggml.add_space_prefix", false);
  }

  GgufWriter& writer_;
  fs::path directory_;
  std::string path_;
  json tokenizer_, config_;
  TokenizerParts parts_;
  std::vector<std::string> tokens_, merges_;
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
