#include <algorithm>
#include <set>

#include "runtime/text/jinja/arguments.h"
#include "runtime/text/jinja/filters.h"
#include "runtime/text/jinja/iterate.h"
#include "runtime/text/jinja/markup.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"
#include "runtime/text/jinja/unicode.h"
#include "runtime/text/jinja/urlize.h"

namespace weft::jinja {
namespace {

Value escape(const Value& value, const Arguments& arguments) {
  Parameters("the filter 'escape'", arguments, {});
  return {escaped(value), true};
}

Value force_escape(const Value& value, const Arguments& arguments) {
  Parameters("the filter 'forceescape'", arguments, {});
  return {escape_html(to_text(value)), true};
}

Value safe(const Value& value, const Arguments& arguments) {
  Parameters("the filter 'safe'", arguments, {});
  return {to_text(value), true};
}

Value strip_tags_filter(const Value& value, const Arguments& arguments) {
  Parameters("the filter 'striptags'", arguments, {});
  return strip_tags(to_text(value));
}

// Unreserved characters, and "/", stay; in a query a space becomes "+" and "/" does not stay.
std::string quote_url(std::string_view text, bool query) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 && byte < 0x80) {
      out += c;
    } else if (std::string_view("_.-~").find(c) != std::string_view::npos || (c == '/' && !query)) {
      out += c;
    } else if (c == ' ' && query) {
      out += '+';
    } else {
      out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out;
}

Value url_encode(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'urlencode'", arguments, {});
  const bool pairs = value.text() == nullptr && is_iterable(value);
  if (!pairs) return quote_url(to_text(value), false);
  std::vector<Value> items;
  if (value.dict() != nullptr) {
    for (const auto& [key, item] : value.dict()->items()) items.push_back(Value::tuple({key, item}));
  } else {
    items = items_of(value, p.who());
  }
  std::string out;
  for (const Value& item : items) {
    const std::vector<Value> pair = items_of(item, p.who());
    if (pair.size() != 2) fail(p.who(), " needs pairs");
    if (!out.empty()) out += '&';
    out += quote_url(to_text(pair[0]), true) + "=" + quote_url(to_text(pair[1]), true);
  }
  return out;
}

Value xml_attributes(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'xmlattr'", arguments, {"autospace"});
  if (value.dict() == nullptr) fail(p.who(), " needs a mapping, not ", type_name(value));
  std::string out;
  for (const auto& [key, item] : value.dict()->items()) {
    if (item.is_none() || item.is_undefined()) continue;
    if (key.text() == nullptr) fail(p.who(), " needs strings as names, not ", type_name(key));
    if (key.text()->bytes.find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      fail(p.who(), " has a character in the name ", quoted(key.text()->bytes), " that names cannot have");
    }
    if (!out.empty()) out += ' ';
    out += escaped(key) + "=\"" + escaped(item) + "\"";
  }
  if (!out.empty() && p.flag(0, true)) out.insert(0, 1, ' ');
  return {std::move(out), Rendering::current().autoescape};
}

Value urlize_filter(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'urlize'", arguments, {"trim_url_limit", "nofollow", "target", "rel", "extra_schemes"});
  UrlizeOptions options;
  if (p.given_not_none(0)) options.trim_limit = p.integer(0, 0);
  std::set<std::string> rel = {"noopener"};
  if (p.given_not_none(3)) {
    for (const std::string_view part : split_at_space(p.text(3).bytes)) rel.emplace(part);
  }
  if (p.flag(1, false)) rel.emplace("nofollow");
  for (const std::string& part : rel) options.rel += (options.rel.empty() ? "" : " ") + part;
  if (p.given_not_none(2)) options.target = p.text(2).bytes;
  if (p.given_not_none(4)) {
    for (const Value& scheme : items_of(p[4], p.who())) {
      if (scheme.text() == nullptr || !is_url_scheme(scheme.text()->bytes)) {
        fail(p.who(), " does not take ", repr(scheme), " as the beginning of an address");
      }
      options.extra_schemes.push_back(scheme.text()->bytes);
    }
  }
  return {urlize(escaped(value), options), Rendering::current().autoescape};
}

}  // namespace

const Filters& html_filters() {
  static const Filters filters = {
      {"e", escape},
      {"escape", escape},
      {"forceescape", force_escape},
      {"safe", safe},
      {"striptags", strip_tags_filter},
      {"urlencode", url_encode},
      {"urlize", urlize_filter},
      {"xmlattr", xml_attributes},
  };
  return filters;
}

}  // namespace weft::jinja
