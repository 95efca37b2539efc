#include "launcher/open_tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "kernels/core/check.h"
#include "runtime/weights/end_tokens.h"
#include "runtime/weights/gguf.h"
#include "runtime/weights/gguf_chat_templates.h"

namespace weft {
namespace {

std::optional<int32_t> id_at(const GgufFile& file, std::string_view key) {
  const auto value = file.get_int(key);
  if (!value) return std::nullopt;
  constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();
  return static_cast<int32_t>(std::clamp<int64_t>(*value, -1, kLargest));  // what is outside is refused with the key's name
}

ChatFormat chat_format(const GgufFile& file, const std::vector<std::string_view>& tokens) {
  ChatFormat format;
  format.templates = read_chat_templates(file);
  for (const auto& [key, name] : {std::pair("unknown", "unk_token"), {"seperator", "sep_token"}, {"padding", "pad_token"},
                                  {"cls", "cls_token"}, {"mask", "mask_token"}}) {
    const auto id = id_at(file, cat("tokenizer.ggml.", key, "_token_id"));
    if (id && *id >= 0 && *id < std::ssize(tokens)) format.special_tokens[name] = tokens[*id];
  }
  return format;
}

GgufTokenizerData tokenizer_data(const GgufFile& file) {
  const auto text = [&](std::string_view key) { return file.get_string(key).value_or(std::string_view()); };
  GgufTokenizerData data;
  data.model = text("tokenizer.ggml.model");
  if (data.model.empty() || data.model == "no_vocab" || data.model == "none") bad_input(file.path(), " carries no tokenizer; give --token-ids");
  data.pre = text("tokenizer.ggml.pre");
  data.tokens = file.get_string_array("tokenizer.ggml.tokens");
  for (const int64_t type : file.get_int_array("tokenizer.ggml.token_type")) data.token_type.push_back(static_cast<int32_t>(type));
  data.merges = file.get_string_array("tokenizer.ggml.merges");
  for (const double score : file.get_float_array("tokenizer.ggml.scores")) data.scores.push_back(static_cast<float>(score));
  data.bos_id = id_at(file, "tokenizer.ggml.bos_token_id");
  data.eos_id = id_at(file, "tokenizer.ggml.eos_token_id");
  data.unknown_id = id_at(file, "tokenizer.ggml.unknown_token_id");
  for (const int64_t id : end_token_ids(file)) data.end_ids.push_back(static_cast<int32_t>(id));
  data.add_bos = file.get_bool("tokenizer.ggml.add_bos_token");
  data.add_eos = file.get_bool("tokenizer.ggml.add_eos_token");
  data.add_space_prefix = file.get_bool("tokenizer.ggml.add_space_prefix");
  data.chat = chat_format(file, data.tokens);
  return data;
}

}  // namespace

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& model_path) {
  namespace fs = std::filesystem;
  if (!fs::exists(model_path)) bad_input("model ", model_path, " does not exist");
  if (!fs::is_directory(model_path)) {
    const GgufFile file(model_path);
    return Tokenizer::from_gguf(tokenizer_data(file));
  }
  if (!fs::exists(fs::path(model_path) / "tokenizer.json")) {
    for (const char* other : {"tokenizer.model", "tekken.json", "vocab.json", "vocab.txt", "spiece.model"})
      if (fs::exists(fs::path(model_path) / other))
        bad_input("model directory ", model_path, " has no tokenizer.json, and ", other,
                  " is not read; let transformers save the tokenizer once (save_pretrained), or give --token-ids");
    bad_input("model directory ", model_path, " has no tokenizer.json; give --token-ids");
  }
  return Tokenizer::from_hf_directory(model_path);
}

}  // namespace weft
