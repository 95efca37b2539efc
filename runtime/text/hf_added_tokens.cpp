#include "runtime/text/hf_added_tokens.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "kernels/core/check.h"
#include "kernels/core/log.h"

namespace weft {
namespace {

using Json = nlohmann::json;

constexpr const char* kNamed[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};

AddedToken read_token(const Json& entry, bool special = false) {
  AddedToken token{.id = kNoToken, .content = entry.at("content")};
  token.special = entry.value("special", special);
  token.lstrip = entry.value("lstrip", false);
  token.rstrip = entry.value("rstrip", false);
  token.single_word = entry.value("single_word", false);
  token.normalized = entry.value("normalized", !token.special);
  return token;
}

class AddedTokens {
 public:
  explicit AddedTokens(TokenizerParts& parts) : parts_(parts), next_id_(parts.bpe.vocabulary().size()) {}

  void add_listed(const Json& entry) {
    AddedToken token = read_token(entry);
    token.id = entry.at("id");
    if (token.content.empty()) bad_input("added token ", token.id, " has no content");
    if (token.id < 0 || token.id >= kMaxVocabulary) {
      bad_input("added token '", token.content, "' has id ", token.id, "; ids lie between 0 and ", kMaxVocabulary - 1);
    }
    append(std::move(token));
  }

  // Gives a token of the other files its id; one that is listed already gets the new flags.
  void add(AddedToken token, std::optional<int64_t> told_id) {
    if (token.content.empty()) return;
    AddedToken* known = find(token.content);
    const int32_t in_vocabulary = parts_.bpe.vocabulary().find(token.content);
    token.id = known ? known->id : in_vocabulary != kNoToken ? in_vocabulary : next_id_;
    if (told_id && *told_id != token.id) {
      log_warn("the added token '", token.content, "' has id ", token.id, ", as Hugging Face gives it; the file says ",
               *told_id);
    }
    if (known) {
      token.special |= known->special;  // once special, always
      *known = std::move(token);
    } else {
      append(std::move(token));
    }
  }

  AddedToken* find(const std::string& content) {
    const auto found = places_.find(content);
    return found == places_.end() ? nullptr : &parts_.added_tokens[found->second];
  }

 private:
  void append(AddedToken token) {
    next_id_ = std::max(next_id_, token.id + 1);
    places_.emplace(token.content, parts_.added_tokens.size());
    parts_.added_tokens.push_back(std::move(token));
  }

  TokenizerParts& parts_;
  std::unordered_map<std::string, size_t> places_;  // in added_tokens, by content
  int32_t next_id_;
};

// What transformers' tokenizer classes say where tokenizer_config.json is silent.
Json default_token(const Json& config, std::string_view key) {
  const Json name = config.value("tokenizer_class", Json());
  const std::string tokenizer_class = name.is_string() ? name : "";
  const bool qwen2 = tokenizer_class.starts_with("Qwen2Tokenizer"), gpt2 = tokenizer_class.starts_with("GPT2Tokenizer");
  const bool has = (qwen2 && key == "pad_token") || (gpt2 && key == "bos_token") ||
                   ((qwen2 || gpt2) && (key == "eos_token" || key == "unk_token"));
  return has ? Json("<|endoftext|>") : Json();
}

// Special tokens by what they are for, and more of no name.
struct SpecialTokens {
  std::vector<std::pair<std::string, AddedToken>> named;
  std::vector<AddedToken> others;
};

// A text is a special token with no flag; an object tells its flags.
AddedToken special_token(const Json& value, bool special) {
  return value.is_string() ? AddedToken{.id = kNoToken, .content = value, .special = true} : read_token(value, special);
}

bool names_a_token(const Json& value) {
  return (value.is_string() && !value.get_ref<const std::string&>().empty()) ||
         (value.is_object() && value.contains("content"));
}

SpecialTokens read_special_tokens(const HfTokenFiles& files, bool with_map) {
  SpecialTokens tokens;
  for (const char* key : kNamed) {
    const bool in_map = with_map && files.special_tokens_map.contains(key);
    const Json& value = in_map ? files.special_tokens_map[key]
                               : files.tokenizer_config.value(key, default_token(files.tokenizer_config, key));
    if (names_a_token(value)) tokens.named.emplace_back(key, special_token(value, in_map));
  }
  for (const auto& [key, value] : files.tokenizer_config.items()) {  // a model's own, as "image_token"
    const bool own = key.ends_with("_token") && std::ranges::count(kNamed, key) == 0;
    if (own && value.is_string() && names_a_token(value)) tokens.named.emplace_back(key, special_token(value, true));
  }
  for (const Json* file : {&files.tokenizer_config, &files.special_tokens_map}) {
    if (file == &files.special_tokens_map && !with_map) break;
    for (const char* key : {"extra_special_tokens", "additional_special_tokens"}) {
      const Json& list = file->value(key, Json());
      for (const auto& [name, value] : list.items()) {
        if (!names_a_token(value)) continue;
        const AddedToken token = special_token(value, file == &files.special_tokens_map);
        if (list.is_object()) tokens.named.emplace_back(name, token);
        else tokens.others.push_back(token);
      }
    }
  }
  return tokens;
}

// The tokens of the files in the order of their ids there.
std::map<int64_t, AddedToken> read_told_tokens(const HfTokenFiles& files, const SpecialTokens& special, bool has_decoder) {
  std::map<int64_t, AddedToken> told;
  if (has_decoder) {
    for (const auto& [key, entry] : files.tokenizer_config.at("added_tokens_decoder").items()) {
      int64_t id = 0;
      const char* end = key.data() + key.size();
      if (std::from_chars(key.data(), end, id).ptr != end)
        bad_input("added_tokens_decoder has the key '", key, "'; keys are ids");
      told.emplace(id, read_token(entry));
    }
    return told;
  }
  for (const auto& [content, id] : files.added_tokens.items()) {
    const auto same = [&, &content = content](const AddedToken& token) { return token.content == content; };
    const bool is_special = std::ranges::any_of(special.named, [&](const auto& named) { return same(named.second); }) ||
                            std::ranges::any_of(special.others, same);
    told.emplace(id.get<int64_t>(),
                 AddedToken{.id = kNoToken, .content = content, .special = is_special, .normalized = !is_special});
  }
  return told;
}

}  // namespace

void read_added_tokens(const Json& list, const HfTokenFiles& files, TokenizerParts& parts) {
  const bool has_decoder = files.tokenizer_config.contains("added_tokens_decoder");
  const SpecialTokens special = read_special_tokens(files, !has_decoder);
  AddedTokens added(parts);
  for (const Json& entry : list) added.add_listed(entry);
  for (auto& [id, token] : read_told_tokens(files, special, has_decoder)) {
    if (!has_decoder && added.find(token.content)) continue;  // tokenizer.json knows better than added_tokens.json
    for (const auto& [key, named] : special.named) token.special |= named.content == token.content;
    added.add(token, id);
  }
  for (const auto& [key, token] : special.named) {
    if (!added.find(token.content)) added.add(token, std::nullopt);
    const int32_t id = added.find(token.content)->id;
    parts.chat.special_tokens[key] = token.content;
    if (key == "bos_token") parts.bos = id;
    if (key == "eos_token") parts.eos = id;
  }
  for (const AddedToken& token : special.others) {
    if (!added.find(token.content)) added.add(token, std::nullopt);
  }
}

}  // namespace weft
