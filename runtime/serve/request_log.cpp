#include "runtime/serve/request_log.h"

#include <cstdio>
#include <optional>

#include "kernels/core/check.h"
#include "kernels/core/log.h"

namespace weft {
namespace {

std::string milliseconds(const std::optional<double>& seconds) {
  if (!seconds) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", *seconds * 1000);
  return text;
}

std::string reason(const ServeError& error) { return cat(" reason=\"", error.what(), "\""); }

}  // namespace

const char* name(ServeCode code) {
  switch (code) {
    case ServeCode::cancelled: return "CANCELLED";
    case ServeCode::invalid_argument: return "INVALID_ARGUMENT";
    case ServeCode::deadline_exceeded: return "DEADLINE_EXCEEDED";
    case ServeCode::resource_exhausted: return "RESOURCE_EXHAUSTED";
    case ServeCode::internal: return "INTERNAL";
    case ServeCode::unavailable: return "UNAVAILABLE";
  }
  return "UNKNOWN";
}

void log_received(RequestId first, RequestId last, const std::deque<Generation>& wanted) {
  int64_t prompt_tokens = 0, max_tokens = 0;
  for (const Generation& g : wanted) {
    prompt_tokens += static_cast<int64_t>(g.prompt.size());
    max_tokens += g.max_tokens;
  }
  const std::string sizes = cat("prompt_tokens=", prompt_tokens, " max_tokens=", max_tokens);
  if (wanted.size() == 1)
    log_info("request ", first, " received: ", sizes);
  else
    log_info("batch received: requests=", wanted.size(), " first=", first, " last=", last, " ", sizes);
}

void log_ended(RequestId id, const ActiveGeneration& active) {
  const ActiveGeneration::Account a = active.account();
  const std::optional<ServeError>& error = active.error();
  log(error && error->code() == ServeCode::internal ? LogLevel::error : LogLevel::info,
      cat("request ", id, " ended: status=", error ? name(error->code()) : "OK", " prompt_tokens=", a.prompt_tokens,
          " cached_tokens=", a.cached_tokens, " completion_tokens=", a.completion_tokens, " queued_ms=",
          milliseconds(a.queued_s), " ttft_ms=", milliseconds(a.ttft_s), " total_ms=", milliseconds(a.total_s),
          " finish_reason=", error ? "-" : name(a.finish), " replays=", active.replays, error ? reason(*error) : ""));
}

void log_tokenized(int64_t prompt_tokens, double total_s) {
  log_info("tokenize call answered: prompt_tokens=", prompt_tokens, " total_ms=", milliseconds(total_s));
}

void log_refused(const char* what, const ServeError& error) {
  const bool ours = error.code() == ServeCode::unavailable || error.code() == ServeCode::resource_exhausted;
  log(error.code() == ServeCode::internal ? LogLevel::error : LogLevel::info,
      cat(what, " refused: status=", name(error.code()), ours ? reason(error) : ""));
}

}  // namespace weft
