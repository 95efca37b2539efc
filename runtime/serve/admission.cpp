#include "runtime/serve/admission.h"

#include "kernels/core/check.h"

namespace weft {
namespace {

constexpr int max_tokens_limit = 1 << 20;
constexpr size_t max_stop_strings = 16, max_stop_bytes = 256, max_salt_bytes = 256;

template <class... Args>
void require(bool condition, const Args&... sentence) {
  if (!condition) throw ServeError(ServeCode::invalid_argument, cat(sentence...));
}

void check_prompt(const std::vector<int32_t>& prompt, int64_t vocab_size, int64_t max_model_len) {
  require(!prompt.empty(), "the prompt is empty; it must have at least one token");
  require(static_cast<int64_t>(prompt.size()) < max_model_len, "the prompt has ", prompt.size(), " tokens; at most ",
          max_model_len - 1, " leave room for an answer under the server's --max-model-len");
  for (const int32_t id : prompt)
    require(id >= 0 && id < vocab_size, "token id ", id, " is out of range; the vocabulary has ids 0 to ", vocab_size - 1);
}

void check_stop(const std::vector<std::string>& stop) {
  require(stop.size() <= max_stop_strings, "there are ", stop.size(), " stop strings; at most ", max_stop_strings,
          " are allowed");
  for (const std::string& s : stop)
    require(!s.empty() && s.size() <= max_stop_bytes, "a stop string has ", s.size(), " bytes; it must have 1 to ",
            max_stop_bytes);
}

}  // namespace

void check_generation(const Generation& wanted, int64_t vocab_size, int64_t max_model_len) try {
  check_sampling(wanted.sampling);
  check_prompt(wanted.prompt, vocab_size, max_model_len);
  require(wanted.max_tokens >= 1 && wanted.max_tokens <= max_tokens_limit, "max_tokens is ", wanted.max_tokens,
          "; it must be 1 to ", max_tokens_limit);
  check_stop(wanted.stop);
  require(wanted.cache_salt.size() <= max_salt_bytes, "cache_salt has ", wanted.cache_salt.size(),
          " bytes; it must have at most ", max_salt_bytes);
} catch (const InputError& e) {
  throw ServeError(ServeCode::invalid_argument, e.what());
}

}  // namespace weft
