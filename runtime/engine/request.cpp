#include "runtime/engine/request.h"

#include "kernels/core/check.h"

namespace weft {

const char* name(FinishReason reason) {
  switch (reason) {
    case FinishReason::none: return "none";
    case FinishReason::stop: return "stop";
    case FinishReason::length: return "length";
    case FinishReason::cancelled: return "cancelled";
    case FinishReason::error: return "error";
  }
  check_failed(__FILE__, __LINE__, "FinishReason", cat(static_cast<int>(reason)));
}

}  // namespace weft
