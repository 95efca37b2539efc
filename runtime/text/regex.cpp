#include "runtime/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cstdint>

#include "kernels/core/check.h"
#include "runtime/text/oniguruma.h"
#include "runtime/text/utf8.h"

namespace weft {
namespace {

constexpr size_t kNone = std::string_view::npos;
constexpr std::string_view kSyntax = "\\^$.[]|()?*+{}-#";  // what quote() escapes

std::string pcre2_message(int error) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(error, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

PCRE2_SPTR bytes(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

Regex::Regex(std::string_view pattern) : pattern_(pattern) {
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  const std::string translated = oniguruma_to_pcre2(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // MULTILINE: in Oniguruma's Ruby syntax ^ and $ always mean lines.
  pcre2_code* code = pcre2_compile(bytes(translated), translated.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error,
                                   &offset, context.get());
  if (code == nullptr) {
    bad_input("the tokenizer's regular expression '", pattern, "' cannot be used: ", pcre2_message(error), " near offset ",
              offset, " of '", translated, "'");
  }
  code_ = {code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); }};
  // Systems that forbid writable code pages refuse the JIT; pcre2_match then interprets, with the same
  // result.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
}

std::string Regex::quote(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (kSyntax.find(c) != kNone) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

std::optional<size_t> Regex::literal_bytes() const {
  size_t bytes = 0;
  for (size_t i = 0; i < pattern_.size(); ++i, ++bytes) {
    if (kSyntax.find(pattern_[i]) == kNone) continue;
    if (pattern_[i] != '\\' || ++i == pattern_.size() || kSyntax.find(pattern_[i]) == kNone) return std::nullopt;
  }
  return bytes;
}

Regex::Matcher::Matcher(const Regex& regex)
    : regex_(&regex), deadline_(std::chrono::steady_clock::now() + std::chrono::seconds(10)) {
  const auto* code = static_cast<const pcre2_code*>(regex.code_.get());
  match_data_ = {pcre2_match_data_create_from_pattern(code, nullptr),
                 [](void* p) { pcre2_match_data_free(static_cast<pcre2_match_data*>(p)); }};
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  context_ = {context, [](void* p) { pcre2_match_context_free(static_cast<pcre2_match_context*>(p)); }};
}

void Regex::Matcher::start(std::string_view text) {
  text_ = text;
  position_ = 0;
  last_end_ = kNone;
  deadline_ += std::chrono::microseconds(2) * text.size();
  // A repeat that gives back one character at a time counts each of them: the limit must follow the text's
  // length.
  const size_t limit = std::min<size_t>(10'000'000 + 16 * text.size(), UINT32_MAX);
  pcre2_set_match_limit(static_cast<pcre2_match_context*>(context_.get()), static_cast<uint32_t>(limit));
}

void Regex::Matcher::give_up(const std::string& reason) const {
  bad_input("the tokenizer's regular expression '", regex_->pattern_, "' gave up on this text at byte ", position_, ": ",
            reason);
}

// The match limit bounds one search; searches that each run over much of the text add up to more.
void Regex::Matcher::check_time() {
  if (++calls_ % 8 == 0 && std::chrono::steady_clock::now() > deadline_) give_up("it takes too long");
}

std::pair<size_t, size_t> Regex::Matcher::next() {
  check_time();
  if (position_ > text_.size()) return {kNone, kNone};
  const auto* code = static_cast<const pcre2_code*>(regex_->code_.get());
  auto* data = static_cast<pcre2_match_data*>(match_data_.get());
  auto* context = static_cast<pcre2_match_context*>(context_.get());
  const auto match = [&](uint32_t options) {
    return pcre2_match(code, bytes(text_), text_.size(), position_, options | PCRE2_NO_UTF_CHECK, data, context);
  };
  int result = match(0);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH) {
    position_ = text_.size() + 1;
    return {kNone, kNone};
  }
  if (result < 0) give_up(pcre2_message(result));
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data);
  const std::pair<size_t, size_t> found = {span[0], span[1]};
  position_ = found.second;
  if (found.first < found.second) {
    last_end_ = found.second;
    return found;
  }
  // After an empty match the search goes on one character later, or it would find the same one for ever. One right behind
  // another match does not count.
  position_ += found.second < text_.size() ? utf8_at(text_, found.second).length : 1;
  return found.second == std::exchange(last_end_, found.second) ? next() : found;
}

}  // namespace weft
