#include "runtime/weights/end_tokens.h"

#include <algorithm>
#include <initializer_list>
#include <set>
#include <string_view>

#include "kernels/core/check.h"

namespace weft {
namespace {

using Texts = std::initializer_list<std::string_view>;

constexpr const char* kKeys[] = {"eos", "eot", "eom"};
const std::set<std::string_view> kTexts = {"<|eot_id|>",
                                           "<|im_end|>",
                                           "<|end|>",
                                           "<|return|>",
                                           "<|call|>",
                                           "<|calls|>",
                                           "<|flush|>",
                                           "<end_of_turn>",
                                           "<|endoftext|>",
                                           "</s>",
                                           "<|eom_id|>",
                                           "<EOT>",
                                           "_<EOT>",
                                           "[EOT]",
                                           "[EOS]",
                                           "<|end_of_text|>",
                                           "<end_of_utterance>",
                                           "<eos>",
                                           "<turn|>",
                                           "<|tool_response>",
                                           "<｜end▁of▁sentence｜>",
                                           "[e~["};

// What a model of code writes behind its answer: one token each, named by a key or known by its text.
struct CodeToken {
  const char* key;
  Texts texts;
};
const CodeToken kCodeTokens[] = {{"fim_pad", {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}},
                                 {"fim_rep", {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
                                 {"fim_sep", {"<|file_sep|>"}}};

}  // namespace

std::vector<int64_t> end_token_ids(const GgufFile& file) {
  const std::vector<std::string_view> tokens = file.get_string_array("tokenizer.ggml.tokens");
  std::vector<int64_t> ids;
  const auto add = [&](int64_t id) {
    if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
  };
  const auto key = [&](std::string_view name) { return file.get_int(cat("tokenizer.ggml.", name, "_token_id")); };
  for (const char* name : kKeys)
    if (const auto id = key(name)) add(*id);

  std::set<std::string_view> found;
  for (size_t id = 0; id < tokens.size(); ++id)
    if (kTexts.contains(tokens[id])) found.insert(tokens[id]);
  // Where messages to tools have ends of their own, "<|end|>" ends a part of an answer only.
  const auto has = [&](std::string_view text) { return found.contains(text); };
  const bool calls = has("<|call|>") || has("<|calls|>");
  if (calls && (has("<|return|>") || has("<|flush|>"))) found.erase("<|end|>");
  if (has("<|tool_response>")) found.erase("</s>");
  for (size_t id = 0; id < tokens.size(); ++id)
    if (found.contains(tokens[id])) add(static_cast<int64_t>(id));

  for (const CodeToken& code : kCodeTokens) {
    if (const auto id = key(code.key)) {
      add(*id);
      continue;
    }
    const auto named = [&](std::string_view token) { return std::ranges::find(code.texts, token) != code.texts.end(); };
    if (const auto at = std::ranges::find_if(tokens, named); at != tokens.end()) add(at - tokens.begin());
  }
  return ids;
}

}  // namespace weft
