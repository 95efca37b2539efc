#include "runtime/text/tokenizer.h"

#include <algorithm>
#include <charconv>

#include "kernels/core/check.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/text_bound.h"
#include "runtime/text/tokenizer_parts.h"
#include "runtime/text/utf8.h"

namespace weft {
namespace {

// Stages count in 32 bits, and a byte of text can become three (" " to "▁").
constexpr size_t kMaxTextBytes = size_t{512} << 20;

AddedTokenFinder finder_for(std::vector<AddedToken> tokens, bool normalized) {
  std::erase_if(tokens, [&](const AddedToken& token) { return token.normalized != normalized; });
  return AddedTokenFinder(std::move(tokens));
}

// Tokens that are looked for in the normalized text are spelled as it spells them, also when they are
// decoded.
TokenizerParts normalize_added_tokens(TokenizerParts parts) {
  for (AddedToken& token : parts.added_tokens) {
    if (token.normalized) token.content = normalize(parts.normalizer, token.content);
  }
  return parts;
}

std::optional<char> byte_token(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>') return std::nullopt;
  unsigned value = 0;
  const char* end = piece.data() + 5;
  if (std::from_chars(piece.data() + 3, end, value, 16).ptr != end) return std::nullopt;
  return static_cast<char>(value);
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace

struct Tokenizer::Stages {
  explicit Stages(TokenizerParts p)
      : added_tokens(p.added_tokens),
        parts(normalize_added_tokens(std::move(p))),
        raw_finder(finder_for(parts.added_tokens, false)),
        normalized_finder(finder_for(parts.added_tokens, true)) {}

  void encode(std::string_view text, bool parse_special, std::span<const TextRange> literal, std::vector<int32_t>& ids) const {
    Bpe::Workspace workspace;
    for (const auto& raw : raw_finder.split(text, parse_special, literal)) {
      if (raw.id != kNoToken) {
        ids.push_back(raw.id);
        continue;
      }
      for (const Piece& piece : cut(raw, literal)) {
        const std::string normal = normalize(parts.normalizer, text.substr(piece.begin, piece.end - piece.begin));
        using Segment = AddedTokenFinder::Segment;
        for (const Segment& segment : piece.literal ? std::vector{Segment{0, normal.size(), kNoToken}}
                                                    : normalized_finder.split(normal, parse_special)) {
          if (segment.id != kNoToken) {
            ids.push_back(segment.id);
            continue;
          }
          const auto part = std::string_view(normal).substr(segment.begin, segment.end - segment.begin);
          const Words words = parts.pre_tokenizer.split(part, piece.begin == 0 && segment.begin == 0);
          for (const Words::Range& range : words.ranges) parts.bpe.encode(words.at(range), ids, workspace);
        }
      }
    }
  }

  struct Piece {
    size_t begin, end;
    bool literal;
  };
  // Text between tokens. It stays whole, so that literal text is cut into words like any other, unless tokens are looked for
  // in the normalized text too: where a literal range is in that, nobody knows.
  std::vector<Piece> cut(const AddedTokenFinder::Segment& raw, std::span<const TextRange>& literal) const {
    std::vector<Piece> pieces;
    size_t done = raw.begin;
    for (; !normalized_finder.empty() && !literal.empty() && literal.front().begin < raw.end; literal = literal.subspan(1)) {
      const size_t begin = std::max(literal.front().begin, done), end = std::min(literal.front().end, raw.end);
      if (begin > done) pieces.push_back({done, begin, false});
      if (end > begin) pieces.push_back({begin, end, true});
      done = std::max(begin, end);
    }
    if (done < raw.end) pieces.push_back({done, raw.end, false});
    return pieces;
  }

  std::vector<AddedToken> added_tokens;  // as the model's files spell them
  TokenizerParts parts;
  AddedTokenFinder raw_finder, normalized_finder;
};

std::unique_ptr<Tokenizer> Tokenizer::from_hf_directory(const std::filesystem::path& directory) {
  return std::make_unique<Tokenizer>(read_hf_tokenizer(directory));
}

std::unique_ptr<Tokenizer> Tokenizer::from_gguf(const GgufTokenizerData& data) {
  return std::make_unique<Tokenizer>(read_gguf_tokenizer(data));
}

Tokenizer::Tokenizer(TokenizerParts parts) : stages_(std::make_unique<const Stages>(std::move(parts))), bound_(text_bound(stages_->parts)) { index_tokens(); }

Tokenizer::~Tokenizer() = default;

// Works out once what each token's text is, so that decoding only copies.
void Tokenizer::index_tokens() {
  const TokenizerParts& parts = stages_->parts;
  const Vocabulary& vocabulary = parts.bpe.vocabulary();
  int32_t size = vocabulary.size();
  for (const AddedToken& added : parts.added_tokens) size = std::max(size, added.id + 1);
  tokens_.resize(size);
  for (int32_t id = 0; id < vocabulary.size(); ++id) tokens_[id].piece = vocabulary.piece(id);
  for (const AddedToken& added : parts.added_tokens) {
    tokens_[added.id].piece = added.content;
    tokens_[added.id].special = added.special;
  }
  for (Token& token : tokens_) {
    token.text_begin = texts_.size();
    if (parts.decoder.byte_alphabet) {
      texts_ += from_byte_alphabet(token.piece);
    } else if (const auto byte = byte_token(token.piece); parts.decoder.byte_fallback && byte) {
      texts_.push_back(*byte);
      token.byte = true;
    } else {
      std::string text(token.piece);
      for (const auto& [from, to] : parts.decoder.replacements) text = replace_all(std::move(text), from, to);
      texts_ += text;
    }
    token.text_end = texts_.size();
  }
}

void Tokenizer::check_length(std::string_view text, int64_t max_tokens) const {
  if (bound_.exceeds(text, static_cast<size_t>(std::max<int64_t>(max_tokens, 0))))
    bad_input("the prompt has ", text.size(), " bytes, which are more than ", max_tokens,
              " tokens; at most so many leave room for an answer under the server's --max-model-len");
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool add_special, bool parse_special,
                                       std::span<const TextRange> literal) const {
  if (text.size() > kMaxTextBytes) {
    bad_input("the text has ", text.size(), " bytes; at most ", kMaxTextBytes, " can be tokenized at once");
  }
  if (const size_t bad = find_invalid_utf8(text); bad != std::string_view::npos) {
    bad_input("the text is not valid UTF-8: byte ", bad, " is not part of a character");
  }
  const TokenizerParts& parts = stages_->parts;
  std::vector<int32_t> ids;
  if (add_special) ids = parts.prefix;
  stages_->encode(text, parse_special, literal, ids);
  if (add_special) ids.insert(ids.end(), parts.suffix.begin(), parts.suffix.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes, text;
  // A run of byte tokens that is not valid as a whole becomes one U+FFFD a byte, as in Hugging Face's
  // ByteFallback.
  std::string run;
  const auto end_run = [&] {
    if (find_invalid_utf8(run) == std::string::npos) {
      bytes += run;
    } else {
      for (size_t i = 0; i < run.size(); ++i) bytes += kReplacementCharacter;
    }
    run.clear();
  };
  for (const int32_t id : ids) {
    const Token& t = token(id);
    if (skip_special && t.special) continue;
    if (t.byte) {
      run += text_of(t);
    } else {
      end_run();
      bytes += text_of(t);
    }
  }
  end_run();
  const size_t limit = std::min<size_t>(leading_spaces_to_strip(), bytes.size());
  size_t begin = 0;
  while (begin < limit && bytes[begin] == ' ') ++begin;
  append_utf8_lossy(text, std::string_view(bytes).substr(begin));
  return text;
}

std::optional<int32_t> Tokenizer::bos_id() const { return stages_->parts.bos; }
std::optional<int32_t> Tokenizer::eos_id() const { return stages_->parts.eos; }
const std::vector<AddedToken>& Tokenizer::added_tokens() const { return stages_->added_tokens; }
const ChatFormat& Tokenizer::chat_format() const { return stages_->parts.chat; }
int Tokenizer::leading_spaces_to_strip() const { return stages_->parts.decoder.strip_leading_spaces; }

std::optional<int32_t> Tokenizer::token_to_id(std::string_view piece) const {
  for (const AddedToken& added : stages_->parts.added_tokens) {
    if (added.content == piece) return added.id;
  }
  const int32_t id = stages_->parts.bpe.vocabulary().find(piece);
  return id == kNoToken ? std::nullopt : std::optional(id);
}

const Tokenizer::Token& Tokenizer::token(int32_t id) const {
  static const Token kGap;
  return id < 0 || id >= vocab_size() ? kGap : tokens_[id];
}

std::string_view Tokenizer::text_of(const Token& token) const {
  return std::string_view(texts_).substr(token.text_begin, token.text_end - token.text_begin);
}

std::string_view Tokenizer::id_to_piece(int32_t id) const { return token(id).piece; }
std::string_view Tokenizer::token_bytes(int32_t id) const { return text_of(token(id)); }

}  // namespace weft
