#pragma once
// One request as the coordinator sees it: what the client asked for, what the engine made of it, what became text of that,
// and what of that the client has not been told yet.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/engine/request.h"
#include "runtime/text/answer_text.h"

namespace weft {

using ServeClock = std::chrono::steady_clock;

// Values of google.rpc.Code, so that every front can translate them.
enum class ServeCode : int {
  cancelled = 1,
  invalid_argument = 3,
  deadline_exceeded = 4,
  resource_exhausted = 8,
  internal = 13,
  unavailable = 14,
};

// Why a request was refused or failed; what() is one sentence for the client.
class ServeError : public std::runtime_error {
 public:
  ServeError(ServeCode code, const std::string& sentence) : std::runtime_error(sentence), code_(code) {}
  ServeCode code() const { return code_; }

 private:
  ServeCode code_;
};

// Bytes of text and ids that wait for the reader of one stream. One more, and its request ends with resource_exhausted.
constexpr int64_t max_unread_bytes = 1 << 20;

// The client of one stream. Its requests share it.
struct Reader {
  int64_t unread_bytes = 0;
};

// What a client asks for.
struct Generation {
  std::vector<int32_t> prompt;
  SamplingParams sampling;
  int max_tokens = 256;
  bool ignore_eos = false;
  std::vector<std::string> stop;   // limits are checked here; `text` ends at them
  std::optional<AnswerText> text;  // how tokens become text; none: they do not
  std::string cache_salt;  // as Request::cache_salt
  ServeClock::time_point deadline = ServeClock::time_point::max();
  std::shared_ptr<Reader> reader;  // null: one of its own
  // There is something to take. Called on a thread of the coordinator, without its lock; may call the
  // coordinator.
  std::function<void()> notify;
};

// What a client has not been told yet.
struct Delta {
  std::string text;
  std::vector<int32_t> tokens;
  bool last = false;

  // In the last:
  std::optional<ServeError> error;  // then the rest is meaningless
  FinishReason finish = FinishReason::none;
  std::string stop_string;  // what ended it, if one did
  int prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0, replays = 0;
  uint64_t fingerprint = 0;
  double ttft_s = 0, total_s = 0, decode_tok_s = 0;

  bool empty() const { return text.empty() && tokens.empty() && !last; }
  int64_t bytes() const { return static_cast<int64_t>(text.size() + tokens.size() * sizeof(int32_t)); }
};

// What the engine made of a request since the last time, on its way to text. It is worked on without a lock: whoever holds
// it is the only one who does.
struct Rendering {
  struct Arrival {
    TokenEvent event;
    ServeClock::time_point when;
  };
  std::vector<Arrival> arrivals;
  std::optional<AnswerText> text;
  // What run() made of the arrivals: the last of an answer at its first stop string, whatever came behind it.
  Delta delta;
  ServeClock::time_point first, last;  // when the first and the last token of the delta came

  void run();

 private:
  void finish(const TokenEvent& event);
};

// Not thread-safe: the coordinator's lock guards it.
class ActiveGeneration {
 public:
  explicit ActiveGeneration(Generation wanted);

  void push(const TokenEvent& event);  // of the engine. May fail it, because nobody reads
  Rendering begin_rendering();         // what came since the last; end_rendering() before the next
  void end_rendering(Rendering done);  // makes it news. May finish it, or fail it, because nobody reads
  void fail(const ServeError& error);
  Request request(RequestId id) const;  // what the engine has to do: the prompt, and every token it made so far as its tail
  Delta take();                         // what is new

  // How it went so far, for the log.
  struct Account {
    int64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
    std::optional<double> queued_s, ttft_s;  // none: no step computed it, no token came
    double total_s = 0;                      // since its arrival
    FinishReason finish = FinishReason::none;
  };
  Account account() const;
  void begins();  // a step computes it: it no longer waits

  bool finished() const { return finished_; }  // the last news is made
  bool computed() const { return computed_; }  // the engine has told its end
  bool needs_engine() const { return !computed_ && !finished_; }
  bool has_arrivals() const { return !arrivals_.empty(); }
  const Generation& wanted() const { return wanted_; }
  bool has_news() const { return !news_.empty(); }
  const std::optional<ServeError>& error() const { return news_.error; }  // until taken
  // The coordinator's own notes:
  bool submitted = false;          // to the engine that runs now
  bool rendering = false;          // its arrivals are being made text, or wait for it
  int replays = 0;                 // engines lost that had it
  int deaths = 0;                  // engines lost in a step of it

 private:
  void finish();
  void count_unread();

  Generation wanted_;
  std::vector<int32_t> generated_;  // by the engine
  std::vector<Rendering::Arrival> arrivals_;
  int cached_tokens_ = 0;      // of the prompt, before its first token
  int completion_tokens_ = 0;  // of generated_, those that are rendered: no more than belong to the answer
  Delta news_;
  int64_t unread_ = 0;  // its share of the reader's unread_bytes
  bool computed_ = false, finished_ = false;
  ServeClock::time_point arrived_ = ServeClock::now(), first_, last_;
  std::optional<ServeClock::time_point> begun_;
};

}  // namespace weft
