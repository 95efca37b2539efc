#include "runtime/text/jinja/filters.h"

#include "runtime/text/jinja/rendering.h"

namespace weft::jinja {

Filter find_filter(std::string_view name) {
  static const Filters all = [] {
    Filters merged;
    for (const auto* group : {&text_filters(), &html_filters(), &value_filters(), &sequence_filters(), &select_filters()}) {
      merged.insert(group->begin(), group->end());
    }
    return merged;
  }();
  const auto found = all.find(name);
  return found == all.end() ? nullptr : found->second;
}

Value apply_filter(std::string_view name, const Value& value, const Arguments& arguments) {
  const Filter filter = find_filter(name);
  if (filter == nullptr) fail("the filter '", name, "' is not known");
  return filter(value, arguments);
}

}  // namespace weft::jinja
