#pragma once
// The filters, by what they work on. Each fails for arguments that it does not know.
#include <map>
#include <string_view>

#include "runtime/text/jinja/named.h"

namespace weft::jinja {

using Filters = std::map<std::string_view, Filter>;

const Filters& text_filters();      // upper, trim, indent ...
const Filters& html_filters();      // escape, urlize, xmlattr ...
const Filters& value_filters();     // default, int, round, tojson ...
const Filters& sequence_filters();  // first, join, batch ...
const Filters& select_filters();    // map, select, sort, groupby ...: by attributes, tests and filters

// Numbers out of texts, as Python reads them; nothing where it would not.
std::optional<Value> parse_integer(std::string_view text, int64_t base);
std::optional<double> parse_real(std::string_view text);

// textwrap.wrap() of one line.
struct WrapOptions {
  int64_t width;
  bool break_long_words, break_on_hyphens;
};
std::vector<std::string> wrap_line(std::string_view line, const WrapOptions& options);

std::string pretty(const Value& value);  // pprint.pformat()

}  // namespace weft::jinja
