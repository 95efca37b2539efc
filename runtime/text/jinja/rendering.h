#pragma once
// One rendering of a template: what it may use, and what it keeps until its end. Filters, comparisons and conversions of
// values draw on it wherever they run, so that no template takes more time or memory than this, whatever it is made of.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/core/check.h"

namespace weft::jinja {

inline constexpr int64_t kMaxSteps = 20'000'000;        // nodes evaluated, items visited
inline constexpr int64_t kMaxBytes = int64_t{1} << 30;  // of all texts and containers that were made
inline constexpr size_t kMaxText = size_t{64} << 20;    // bytes of one text, and of the output
inline constexpr int kMaxDepth = 1000;                  // of calls, loops and expressions within each other
inline constexpr int kMaxValueDepth = 200;              // of containers within each other

// What went wrong in a template; the line is added where rendering ends.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <class... Args>
[[noreturn]] void fail(const Args&... args) {
  throw Failure(cat(args...));
}

// What can be changed, and so can come to hold itself: a namespace, the names around a macro.
class Cell {
 public:
  virtual ~Cell() = default;
  virtual void clear() = 0;
};

// Found by thread: values are compared and written far from the evaluator.
class Rendering {
 public:
  Rendering() : outer_(current_) { current_ = this; }
  ~Rendering();
  Rendering(const Rendering&) = delete;

  static Rendering& current() { return *current_; }

  // Cleared at the end, so that cells that hold each other are freed.
  void keep(std::shared_ptr<Cell> cell) { cells_.push_back(std::move(cell)); }

  int line = 0;             // of the template: what is being evaluated
  bool autoescape = false;  // inside {% autoescape true %}
  int depth = 0;
  uint64_t random = 0;  // the state of the filter `random` and of lipsum(): equal chats give equal prompts

 private:
  friend void spend(size_t steps);
  friend void spend_bytes(size_t bytes);
  int64_t steps_ = 0, bytes_ = 0;
  std::vector<std::shared_ptr<Cell>> cells_;
  Rendering* outer_;
  static thread_local Rendering* current_;
};

void spend(size_t steps);
void spend_bytes(size_t bytes);
// Before a text of this size is made. Fails beyond kMaxText.
void expect_text_size(size_t bytes);

// One more level of recursion for as long as it lives.
class Depth {
 public:
  Depth() {
    if (++Rendering::current().depth > kMaxDepth) {
      --Rendering::current().depth;
      fail("more than ", kMaxDepth, " calls and expressions within each other");
    }
  }
  ~Depth() { --Rendering::current().depth; }
  Depth(const Depth&) = delete;
};

}  // namespace weft::jinja
