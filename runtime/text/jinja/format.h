#pragma once
// The two ways in which Python writes values into texts, and the numbers that both share.
#include <string>
#include <string_view>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

// "%s: %d" % value; a safe format escapes what it takes.
Value percent_format(const Value& format, const Value& value);

// "{}: {a:>5}".format(...)
Value brace_format(const Value& format, const Arguments& arguments);
// format(value, specification)
std::string format_value(const Value& value, std::string_view specification);

// What both languages of formats say about one number.
struct NumberFormat {
  char type;               // of d b o x X e E f F g G %; 'r': the shortest text
  int64_t precision;       // of reals; negative: as the type has it
  bool alternate = false;  // '#'
  char sign = '-';         // also before positive numbers: '+' or ' '
  char grouping = '\0';
};
// The sign and the digits of the number.
std::pair<std::string, std::string> number_parts(const Value& number, const NumberFormat& format);

}  // namespace weft::jinja
