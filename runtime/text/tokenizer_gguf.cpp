#include "runtime/text/tokenizer_gguf.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/check.h"
#include "kernels/core/log.h"
#include "runtime/text/gguf_pre_tokenizer.h"
#include "runtime/text/tokenizer_parts.h"
#include "runtime/text/utf8.h"

namespace weft {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // "▁", SentencePiece's space

enum TokenType { normal = 1, unknown = 2, control = 3, user_defined = 4 };

int32_t type_of(const GgufTokenizerData& data, size_t id) {
  return data.token_type.empty() ? static_cast<int32_t>(normal) : data.token_type[id];
}

void check_sizes(const GgufTokenizerData& data) {
  const size_t size = data.tokens.size();
  if (size == 0) bad_input("the GGUF file has no tokens (tokenizer.ggml.tokens)");
  if (!data.token_type.empty() && data.token_type.size() != size) {
    bad_input("tokenizer.ggml.token_type has ", data.token_type.size(), " entries for ", size, " tokens");
  }
  for (const auto& [name, id] : {std::pair("bos", data.bos_id), {"eos", data.eos_id}, {"unknown", data.unknown_id}}) {
    if (id && (*id < 0 || static_cast<size_t>(*id) >= size)) {
      bad_input("tokenizer.ggml.", name, "_token_id is ", *id, "; ids lie between 0 and ", size - 1);
    }
  }
  for (size_t id = 0; id < size; ++id) {
    if (find_invalid_utf8(data.tokens[id]) != std::string_view::npos) {
      bad_input("token ", id, " of the GGUF file is not valid UTF-8");
    }
  }
}

Vocabulary read_vocabulary(const GgufTokenizerData& data) {
  Vocabulary vocabulary;
  vocabulary.reserve(data.tokens.size());
  for (size_t id = 0; id < data.tokens.size(); ++id) vocabulary.add(data.tokens[id], static_cast<int32_t>(id));
  return vocabulary;
}

std::vector<AddedToken> read_added_tokens(const GgufTokenizerData& data) {
  std::vector<AddedToken> added;
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    const bool end = std::ranges::count(data.end_ids, static_cast<int32_t>(id)) != 0;  // of whatever type
    const int32_t type = end ? static_cast<int32_t>(control) : type_of(data, id);
    if (data.tokens[id].empty() || (type != unknown && type != control && type != user_defined)) continue;
    added.push_back(
        {.id = static_cast<int32_t>(id), .content = std::string(data.tokens[id]), .special = type != user_defined});
  }
  return added;
}

MergeTable read_merges(const GgufTokenizerData& data, const Vocabulary& vocabulary) {
  MergeTable table(data.merges.size());
  std::string joined;
  for (size_t rank = 0; rank < data.merges.size(); ++rank) {
    const std::string_view merge = data.merges[rank];
    const size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos) {
      bad_input("merge ", rank, " of the GGUF file is '", merge, "'; a merge is two tokens with a space between them");
    }
    const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
    joined.assign(left).append(right);
    const int32_t ids[] = {vocabulary.find(left), vocabulary.find(right), vocabulary.find(joined)};
    if (std::ranges::count(ids, kNoToken) != 0) {
      bad_input("merge ", rank, " of the GGUF file is '", merge, "', but its parts or '", joined, "' are not tokens");
    }
    table.add(ids[0], ids[1], {static_cast<int32_t>(rank), ids[2]});
  }
  return table;
}

// SentencePiece merges whichever neighbours make the token with the best score. As a merge table: every cut
// of a token into two tokens, ranked by the score of the whole; tokens of the same score share a rank.
MergeTable merges_from_scores(const GgufTokenizerData& data, const Vocabulary& vocabulary) {
  if (data.scores.size() != data.tokens.size()) {
    bad_input("tokenizer.ggml.scores has ", data.scores.size(), " entries for ", data.tokens.size(), " tokens");
  }
  std::vector<int32_t> by_score;
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    if (std::isnan(data.scores[id])) bad_input("the score of token ", id, " of the GGUF file is not a number");
    const bool merges = type_of(data, id) == normal || type_of(data, id) == user_defined;
    if (merges && !data.tokens[id].empty()) by_score.push_back(static_cast<int32_t>(id));
  }
  std::ranges::stable_sort(by_score, std::greater(), [&](int32_t id) { return data.scores[id]; });
  MergeTable table(4 * by_score.size());
  int32_t rank = 0;
  for (size_t i = 0; i < by_score.size(); ++i) {
    if (i > 0 && data.scores[by_score[i]] != data.scores[by_score[i - 1]]) ++rank;
    const std::string_view piece = data.tokens[by_score[i]];
    for (size_t cut = 0; (cut += utf8_at(piece, cut).length) < piece.size();) {
      const int32_t left = vocabulary.find(piece.substr(0, cut)), right = vocabulary.find(piece.substr(cut));
      if (left != kNoToken && right != kNoToken) table.add(left, right, {rank, by_score[i]});
    }
  }
  return table;
}

void read_flags(const GgufTokenizerData& data, bool add_bos_default, TokenizerParts& parts) {
  if (data.add_bos.value_or(add_bos_default)) {
    if (!parts.bos) bad_input("the GGUF tokenizer adds a BOS token but names none (tokenizer.ggml.bos_token_id)");
    parts.prefix = {*parts.bos};
  }
  if (data.add_eos.value_or(false)) {
    if (!parts.eos) bad_input("the GGUF tokenizer adds an EOS token but names none (tokenizer.ggml.eos_token_id)");
    parts.suffix = {*parts.eos};
  }
  parts.chat = data.chat;
  if (parts.bos) parts.chat.special_tokens["bos_token"] = data.tokens[*parts.bos];
  if (parts.eos) parts.chat.special_tokens["eos_token"] = data.tokens[*parts.eos];
  parts.added_tokens = read_added_tokens(data);
}

TokenizerParts read_byte_level(const GgufTokenizerData& data) {
  const GgufPreTokenizer& kind = gguf_pre_tokenizer(data.pre);
  if (data.pre.empty() || data.pre == "default") {
    log_warn("the GGUF file does not say how its tokenizer cuts words (tokenizer.ggml.pre is ",
             data.pre.empty() ? "missing" : "'default'",
             "); words are cut as llama.cpp cuts them then, which may not be how "
             "the model was trained: a file converted anew is better");
  }
  std::vector<PreTokenizerStep> steps;
  for (const std::string& pattern : kind.patterns) steps.push_back(SplitStep{Regex(pattern)});
  steps.push_back(ByteAlphabetStep{});
  Vocabulary vocabulary = read_vocabulary(data);
  MergeTable merges = read_merges(data, vocabulary);
  TokenizerParts parts{.pre_tokenizer = PreTokenizer(std::move(steps)),
                       .bpe = Bpe(std::move(vocabulary), std::move(merges), {.ignore_merges = kind.ignore_merges})};
  if (kind.nfc) parts.normalizer.push_back(UnicodeForm{UnicodeForm::nfc});
  parts.decoder.byte_alphabet = true;
  parts.bos = data.bos_id;
  parts.eos = data.eos_id;
  read_flags(data, kind.add_bos, parts);
  return parts;
}

TokenizerParts read_sentencepiece(const GgufTokenizerData& data) {
  Vocabulary vocabulary = read_vocabulary(data);
  MergeTable merges = merges_from_scores(data, vocabulary);
  // SentencePiece's own ids count where the file names none.
  const auto own = [&](int32_t id) { return id < vocabulary.size() ? std::optional(id) : std::nullopt; };
  const std::optional<int32_t> unknown = data.unknown_id ? data.unknown_id : own(0);
  const std::optional<int32_t> bos = data.bos_id ? data.bos_id : own(1), eos = data.eos_id ? data.eos_id : own(2);
  const BpeOptions options{.byte_fallback = true, .fuse_unk = true, .unk = unknown.value_or(kNoToken)};
  TokenizerParts parts{.bpe = Bpe(std::move(vocabulary), std::move(merges), options)};
  const bool space_prefix = data.add_space_prefix.value_or(true);
  if (space_prefix) parts.normalizer.push_back(Prepend{std::string(kSpace)});
  parts.normalizer.push_back(Replace{Regex(" "), std::string(kSpace)});
  parts.decoder.replacements = {{std::string(kSpace), " "}};
  parts.decoder.byte_fallback = true;
  parts.decoder.strip_leading_spaces = space_prefix ? 1 : 0;
  parts.bos = bos;
  parts.eos = eos;
  read_flags(data, true, parts);
  return parts;
}

}  // namespace

TokenizerParts read_gguf_tokenizer(const GgufTokenizerData& data) {
  check_sizes(data);
  if (data.model == "gpt2") return read_byte_level(data);
  if (data.model == "llama") return read_sentencepiece(data);
  bad_input("GGUF tokenizer model '", data.model, "' (tokenizer.ggml.model) is not supported; supported are gpt2, llama");
}

}  // namespace weft
