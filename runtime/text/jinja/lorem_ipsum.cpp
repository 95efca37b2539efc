#include "runtime/text/jinja/lorem_ipsum.h"

#include "runtime/text/jinja/arguments.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/unicode.h"

namespace weft::jinja {
namespace {

// Cicero, De finibus, as typesetters have garbled it.
constexpr const char* kWords[] = {"lorem",  "ipsum", "dolor",   "sit",       "amet",    "consectetur", "adipiscing",
                                  "elit",   "sed",   "do",      "eiusmod",   "tempor",  "incididunt",  "ut",
                                  "labore", "et",    "dolore",  "magna",     "aliqua",  "enim",        "minim",
                                  "veniam", "quis",  "nostrud", "ullamco",   "laboris", "nisi",        "aliquip",
                                  "ex",     "ea",    "commodo", "consequat", "duis"};

std::string paragraph(int64_t words) {
  std::string text;
  int64_t sentence = 0;  // words left in it
  for (int64_t i = 0; i < words; ++i) {
    const std::string word = kWords[random_below(std::size(kWords))];
    const bool begins = sentence-- == 0;
    if (begins) sentence = 5 + random_below(10);
    if (i > 0) text += begins ? ". " : " ";
    text += begins ? capitalize(word) : word;
    expect_text_size(text.size());
  }
  return text + ".";
}

}  // namespace

int64_t random_below(int64_t n) {
  uint64_t& state = Rendering::current().random;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<int64_t>((state >> 33) % static_cast<uint64_t>(n));
}

Value lorem_ipsum(const Arguments& arguments) {
  const Parameters p("the function 'lipsum'", arguments, {"n", "html", "min", "max"});
  const int64_t low = p.integer(2, 20), high = p.integer(3, 100);
  if (low < 0 || high <= low) fail("the function 'lipsum' needs 0 <= min < max, not ", low, " and ", high);
  const bool html = p.flag(1, true);
  std::string text;
  for (int64_t i = 0; i < p.integer(0, 5); ++i) {
    if (i > 0) text += html ? "\n" : "\n\n";
    const std::string words = paragraph(low + random_below(high - low));
    spend(words.size());
    text += html ? "<p>" + words + "</p>" : words;
  }
  return {std::move(text), html};
}

}  // namespace weft::jinja
