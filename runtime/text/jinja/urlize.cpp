#include "runtime/text/jinja/urlize.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <memory>

#include "kernels/core/check.h"
#include "runtime/text/jinja/markup.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/unicode.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

// Matches whole texts only.
class Pattern {
 public:
  explicit Pattern(const char* pattern) {
    int error;
    PCRE2_SIZE place;
    const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_CASELESS | PCRE2_ANCHORED | PCRE2_ENDANCHORED;
    code_.reset(
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED, options, &error, &place, nullptr));
    WEFT_CHECK(code_ != nullptr, pattern);
  }

  bool matches(std::string_view text) const {
    const std::unique_ptr<pcre2_match_data, Free> data(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    const std::unique_ptr<pcre2_match_context, Free> context(pcre2_match_context_create(nullptr));
    pcre2_set_match_limit(context.get(), 100'000);
    const int rc = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, PCRE2_NO_UTF_CHECK,
                               data.get(), context.get());
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) fail("the filter 'urlize' takes too many steps for a word");
    return rc >= 0;
  }

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
    void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  };
  std::unique_ptr<pcre2_code, Free> code_;
};

bool is_web_address(std::string_view text) {
  static const Pattern pattern(
      "(?:"
      R"((?:https?://|www\.)(?:[\w%-]+\.)*(?:[a-z]{2,63}|xn--[\w%]{2,59}))"  // any domain behind http:// or www.
      R"(|(?:[\w%-]{2,63}\.)+(?:com|net|int|edu|gov|org|info|mil))"          // the oldest domains alone
      R"(|https?://(?:\d{1,3}(?:\.\d{1,3}){3}|\[(?:[\da-f]{0,4}:){2}(?:[\da-f]{0,4}:?){1,6}\]))"  // numbers
      ")"
      R"((?::\d{1,5})?(?:[/?#]\S*)?)");
  return pattern.matches(text);
}

bool is_mail_address(std::string_view text) {
  static const Pattern pattern(R"(\S+@\w[\w.-]*\.\w+)");
  return pattern.matches(text);
}

int64_t count(std::string_view text, std::string_view part) {
  int64_t n = 0;
  for (size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++n;
  return n;
}

class Linker {
 public:
  explicit Linker(const UrlizeOptions& options) : options_(options) {
    if (!options.rel.empty()) attributes_ += " rel=\"" + escape_html(options.rel) + "\"";
    if (!options.target.empty()) attributes_ += " target=\"" + escape_html(options.target) + "\"";
  }

  std::string link(std::string_view word) const {
    std::string_view head, tail;
    cut_brackets(word, head, tail);
    return std::string(head) + linked(std::string(word)) + std::string(tail);
  }

 private:
  // Brackets before a word and punctuation behind it are no part of its address, unless they close what it opens.
  static void cut_brackets(std::string_view& word, std::string_view& head, std::string_view& tail) {
    const std::string_view all = word;
    const auto drop = [&](std::initializer_list<std::string_view> parts, bool at_start) {
      for (const std::string_view part : parts) {
        if (at_start ? word.starts_with(part) : word.ends_with(part)) {
          at_start ? word.remove_prefix(part.size()) : word.remove_suffix(part.size());
          return true;
        }
      }
      return false;
    };
    while (drop({"(", "<", "&lt;"}, true)) {
    }
    head = all.substr(0, all.size() - word.size());
    while (drop({")", ">", ".", ",", "\n", "&gt;"}, false)) {
    }
    tail = all.substr(head.size() + word.size());
    for (const auto& [open, close] : {std::pair("(", ")"), std::pair("<", ">"), std::pair("&lt;", "&gt;")}) {
      const int64_t opened = count(word, open);
      if (opened <= count(word, close)) continue;
      for (int64_t n = std::min(opened, count(tail, close)); n > 0; --n) {
        const size_t end = tail.find(close) + std::string_view(close).size();
        word = {word.data(), word.size() + end};
        tail.remove_prefix(end);
      }
    }
  }

  std::string shown(const std::string& address) const {
    const std::vector<std::string_view> all = characters(address);
    const auto size = static_cast<int64_t>(all.size());
    if (!options_.trim_limit || size <= *options_.trim_limit) return address;
    const int64_t keep = *options_.trim_limit < 0 ? std::max<int64_t>(size + *options_.trim_limit, 0) : *options_.trim_limit;
    return address.substr(0, static_cast<size_t>(all[static_cast<size_t>(keep)].data() - address.data())) + "...";
  }

  std::string linked(const std::string& word) const {
    if (is_web_address(word)) {
      const bool has_scheme = word.starts_with("https://") || word.starts_with("http://");
      return "<a href=\"" + std::string(has_scheme ? "" : "https://") + word + "\"" + attributes_ + ">" + shown(word) +
             "</a>";
    }
    if (word.starts_with("mailto:") && is_mail_address(std::string_view(word).substr(7))) {
      return "<a href=\"" + word + "\">" + word.substr(7) + "</a>";
    }
    const bool mail =
        word.find('@') != word.npos && !word.starts_with("www.") && word[0] != '@' && word.find(':') == word.npos;
    if (mail && is_mail_address(word)) return "<a href=\"mailto:" + word + "\">" + word + "</a>";
    std::string result = word;
    for (const std::string& scheme : options_.extra_schemes) {
      if (result != scheme && result.starts_with(scheme)) {
        result = "<a href=\"" + result + "\"" + attributes_ + ">" + result + "</a>";
      }
    }
    return result;
  }

  const UrlizeOptions& options_;
  std::string attributes_;
};

}  // namespace

std::string urlize(std::string_view html, const UrlizeOptions& options) {
  const Linker linker(options);
  std::string out;
  size_t end = 0;  // of the last word
  for (const std::string_view word : split_at_space(html)) {
    const size_t begin = static_cast<size_t>(word.data() - html.data());
    out.append(html.substr(end, begin - end)).append(linker.link(word));
    expect_text_size(out.size());
    end = begin + word.size();
  }
  return out.append(html.substr(end));
}

bool is_url_scheme(std::string_view text) {
  static const Pattern pattern(R"([\w.+-]{2,}:/{0,2})");
  return pattern.matches(text);
}

}  // namespace weft::jinja
