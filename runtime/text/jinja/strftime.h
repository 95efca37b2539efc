#pragma once
// strftime_now(format) of transformers.
#include "runtime/text/jinja/value.h"

namespace weft::jinja {

// The local time in Python's directives. They are those of the C library, and %f (microseconds); %z and %Z give nothing,
// for the time has no zone.
Value strftime_now(const Arguments& arguments);

}  // namespace weft::jinja
