#pragma once
// The variable `loop`.
#include <functional>
#include <memory>
#include <optional>

#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/value.h"

namespace weft::jinja {

class Loop : public Object, public Cell {
 public:
  using Recurse = std::function<Value(const Value& items, int64_t depth)>;

  // size: where it is known before the items are; depth: of recursion, from 0; recurse: null where the loop is not recursive.
  Loop(std::shared_ptr<Iterator> items, std::optional<int64_t> size, int64_t depth, Recurse recurse);

  bool next(Value& item);
  void clear() override;

  std::string type() const override { return "LoopContext"; }
  std::optional<Value> attribute(std::string_view name) override;
  std::optional<int64_t> length() override;
  std::shared_ptr<Iterator> iterate() override;
  bool callable() const override { return true; }
  Value call(const Arguments& arguments) override;
  std::string repr() override;

 private:
  bool peek();
  Value cycle(const Arguments& arguments) const;
  Value changed(const Arguments& arguments);

  std::shared_ptr<Iterator> items_;
  std::optional<int64_t> size_;
  int64_t recursion_;
  Recurse recurse_;
  int64_t index_ = -1;
  std::optional<Value> before_, current_, after_;
  std::optional<Value> last_changed_;
};

}  // namespace weft::jinja
