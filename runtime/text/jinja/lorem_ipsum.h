#pragma once
// Random things. Equal chats must give equal prompts, so chance begins the same way in every rendering.
#include <cstdint>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

// From 0 to n - 1; n > 0.
int64_t random_below(int64_t n);

// lipsum(n=5, html=True, min=20, max=100): paragraphs of placeholder text.
Value lorem_ipsum(const Arguments& arguments);

}  // namespace weft::jinja
