#pragma once
// The argument `attribute` of filters: "a.b.0" is the item 0 of the item b of the item a.
#include <vector>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

class AttributeGetter {
 public:
  // attribute: none stands for the item itself. fallback: for what is undefined on the way; none for nothing.
  explicit AttributeGetter(const Value& attribute, Value fallback = None{});
  Value operator()(Value item) const;

 private:
  std::vector<Value> path_;
  Value fallback_;
};

}  // namespace weft::jinja
