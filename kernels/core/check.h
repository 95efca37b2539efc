#pragma once
// Two kinds of failure. InputError: the user gave something wrong; its text is one clear sentence naming the thing,
// the value and what is allowed, and it is shown as it is. CheckError: Weft broke one of its own invariants.
#include <sstream>
#include <stdexcept>
#include <string>

namespace weft {

class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class CheckError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// Concatenates anything that has operator<<.
template <class... Args>
std::string cat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

template <class... Args>
[[noreturn]] void bad_input(const Args&... args) {
  throw InputError(cat(args...));
}

[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& message);

}  // namespace weft

#define WEFT_CHECK(condition, ...) \
  do { \
    if (!(condition)) [[unlikely]] ::weft::check_failed(__FILE__, __LINE__, #condition, ::weft::cat(__VA_ARGS__)); \
  } while (false)

// Prints both values.
#define WEFT_CHECK_EQ(a, b) WEFT_CHECK((a) == (b), (a), " != ", (b))
