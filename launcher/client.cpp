#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "kernels/core/check.h"
#include "kernels/core/log.h"
#include "kernels/core/progress.h"
#include "launcher/channel.h"
#include "launcher/client_request.h"
#include "launcher/job.h"
#include "launcher/serve_commands.h"
#include "launcher/standard_streams.h"
#include "runtime/engine/fingerprint.h"
#include "runtime/serve/grpc_server.h"
#include "weft/v1/weft.grpc.pb.h"

namespace weft {
namespace {

using json = nlohmann::ordered_json;
using SystemTime = std::chrono::system_clock::time_point;

constexpr int max_batch = 1024;             // requests of one GenerateBatch
constexpr size_t max_batch_bytes = max_request_bytes / 2;
// A batch that the server does not take now is asked again, after pauses that double, until nothing was answered for so long.
constexpr double first_pause_s = 0.1, longest_pause_s = 3, patience_s = 600;

class Client {
 public:
  explicit Client(const ClientOptions& options) : options_(options), stub_(v1::Weft::NewStub(connect_to_server(options.target))) {}

  void run_prompt();
  int run_batch();  // the exit code: 1 if some request failed

 private:
  struct Line {
    int64_t index;  // among all requests of the file
    BatchFile::Line line;
  };
  struct Batch {
    BatchFile& file;
    SystemTime deadline;
    std::optional<BatchFile::Line> next;  // of the file; none: it has ended
    std::deque<Line> again;               // asked, and not answered
    int64_t lines = 0, answered = 0, tokens = 0;
    bool failed = false;  // some request
    double pause_s = first_pause_s;
    Stopwatch unanswered;  // since the last answer
    bool told = false;     // that it waits

    std::optional<Line> take();
  };

  void wait_until_ready();
  SystemTime deadline() const;
  grpc::Status run_part(Batch& batch, Progress& progress);
  void wait_to_ask_again(Batch& batch, const grpc::Status& why);
  void report(const v1::GenerateResponse& last);

  const ClientOptions& options_;
  const std::unique_ptr<v1::Weft::Stub> stub_;
};

const char* reason(v1::FinishReason finish) {
  switch (finish) {
    case v1::FINISH_REASON_STOP: return "stop";
    case v1::FINISH_REASON_LENGTH: return "length";
    default: return "none";
  }
}

// GetModelInfo answers as soon as the model is loaded, and not before.
void Client::wait_until_ready() {
  if (options_.wait_s <= 0) return;
  const auto deadline = std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::system_clock::duration>(
                                                               std::chrono::duration<double>(options_.wait_s));
  for (;;) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(deadline);
    v1::GetModelInfoResponse info;
    const grpc::Status status = stub_->GetModelInfo(&context, {}, &info);
    if (status.ok()) return;
    if (std::chrono::system_clock::now() >= deadline)
      throw std::runtime_error(cat("no server was ready at ", options_.target, " within ", options_.wait_s,
                                   " seconds: ", status.error_message()));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

SystemTime Client::deadline() const {
  if (options_.timeout_s <= 0) return SystemTime::max();
  return std::chrono::system_clock::now() + std::chrono::microseconds(static_cast<int64_t>(options_.timeout_s * 1e6));
}

void Client::report(const v1::GenerateResponse& last) {
  grpc::ClientContext context;
  v1::GetModelInfoResponse info;
  stub_->GetModelInfo(&context, {}, &info);
  std::fprintf(stderr,
               "%d prompt tokens, first token after %.3f s; %d generated at %.1f tokens/s (%s); mesh %s; "
               "fingerprint %s\n",
               last.usage().prompt_tokens(), last.timings().ttft_s(), last.usage().completion_tokens(),
               last.timings().decode_tok_s(), reason(last.finish_reason()), info.mesh().c_str(),
               fingerprint_text(last.fingerprint()).c_str());
}

// One answer put together from its messages.
struct Answer {
  std::string text;
  std::vector<int32_t> ids;
  v1::GenerateResponse last;
  std::string error;

  void add(const v1::GenerateResponse& message) {
    text += message.text();
    ids.insert(ids.end(), message.token_ids().begin(), message.token_ids().end());
    last = message;
  }

  json as_json() const {
    if (!error.empty()) return {{"error", error}};
    return {{"text", text},
            {"token_ids", ids},
            {"finish_reason", reason(last.finish_reason())},
            {"usage",
             {{"prompt_tokens", last.usage().prompt_tokens()},
              {"completion_tokens", last.usage().completion_tokens()},
              {"cached_tokens", last.usage().cached_tokens()}}},
            {"timings",
             {{"ttft_s", last.timings().ttft_s()},
              {"total_s", last.timings().total_s()},
              {"decode_tok_s", last.timings().decode_tok_s()}}},
            {"seed", last.seed()},
            {"replays", last.replays()},
            {"fingerprint", fingerprint_text(last.fingerprint())}};
  }
};

void Client::run_prompt() {
  const v1::GenerateRequest request = client_request(options_);
  wait_until_ready();
  grpc::ClientContext context;
  context.set_deadline(deadline());
  const auto stream = stub_->Generate(&context, request);
  Answer answer;
  for (v1::GenerateResponse message; !stdout_failed() && stream->Read(&message);) {
    answer.add(message);
    if (options_.json) continue;
    std::fputs(message.text().c_str(), stdout);
    std::fflush(stdout);
  }
  if (stdout_failed()) return context.TryCancel();
  const grpc::Status status = stream->Finish();
  std::puts(options_.json ? answer.as_json().dump().c_str() : "");
  std::fflush(stdout);
  if (!status.ok()) fail_call(status, options_.target);
  if (!options_.json) report(answer.last);
}

// What docs/serving.md says to try again.
bool is_temporary(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED || status.error_code() == grpc::StatusCode::UNAVAILABLE;
}

std::optional<Client::Line> Client::Batch::take() {
  std::optional<Line> line;
  if (!again.empty()) {
    line = std::move(again.front());
    again.pop_front();
  } else if (next) {
    line = {lines++, std::move(*next)};
    next = file.next();
  }
  return line;
}

// One call with as many of the next requests as fit into it. Those that are to be asked again are left in the batch; why is
// returned.
grpc::Status Client::run_part(Batch& batch, Progress& progress) {
  v1::GenerateBatchRequest part;
  std::vector<Line> asked;  // without their requests
  size_t bytes = 0;
  while (part.requests_size() < max_batch) {
    std::optional<Line> line = batch.take();
    if (!line) break;
    bytes += line->line.request.ByteSizeLong();
    if (bytes > max_batch_bytes && !asked.empty()) {
      batch.again.push_front(std::move(*line));
      break;
    }
    *part.add_requests() = std::move(line->line.request);
    asked.push_back(std::move(*line));
  }
  grpc::ClientContext context;
  context.set_deadline(batch.deadline);
  const auto stream = stub_->GenerateBatch(&context, part);
  std::map<int, Answer> answers;
  std::vector<bool> done(asked.size());
  grpc::Status why;
  for (v1::GenerateBatchResponse message; !stdout_failed() && stream->Read(&message);) {
    Answer& answer = answers[message.index()];
    if (message.has_error()) {
      const grpc::Status status(static_cast<grpc::StatusCode>(message.error().code()), message.error().message());
      if (is_temporary(status)) {
        why = status;
        continue;
      }
      answer.error = message.error().message();
    } else {
      answer.add(message.response());
    }
    if (answer.error.empty() && answer.last.finish_reason() == v1::FINISH_REASON_UNSPECIFIED) continue;
    batch.failed |= !answer.error.empty();
    batch.tokens += static_cast<int64_t>(answer.ids.size());
    const Line& line = asked.at(static_cast<size_t>(message.index()));
    json result = {{"index", line.index}};
    if (!line.line.id.is_null()) result["id"] = line.line.id;
    result.update(answer.as_json());
    std::puts(result.dump().c_str());
    std::fflush(stdout);
    answers.erase(message.index());
    done.at(static_cast<size_t>(message.index())) = true;
    ++batch.answered;
    batch.pause_s = first_pause_s;
    batch.unanswered = {};
    progress.advance(1);
  }
  if (stdout_failed()) {
    context.TryCancel();
    return {};
  }
  if (const grpc::Status status = stream->Finish(); !status.ok()) why = status;
  for (size_t i = asked.size(); i-- > 0;) {
    if (done[i]) continue;
    asked[i].line.request = std::move(*part.mutable_requests(static_cast<int>(i)));
    batch.again.push_front(std::move(asked[i]));
  }
  return why;
}

void Client::wait_to_ask_again(Batch& batch, const grpc::Status& why) {
  const bool never_there = batch.answered == 0 && !batch.told && no_server(why);
  if (!is_temporary(why) || never_there || batch.unanswered.seconds() > patience_s) fail_call(why, options_.target);
  if (!std::exchange(batch.told, true))
    log_warn("the server at ", options_.target, " takes no more now (", why.error_message(),
             "); the batch goes on when it does");
  const SystemTime until =
      std::chrono::system_clock::now() + std::chrono::microseconds(static_cast<int64_t>(batch.pause_s * 1e6));
  std::this_thread::sleep_until(std::min(until, batch.deadline));
  batch.pause_s = std::min(2 * batch.pause_s, longest_pause_s);
}

int Client::run_batch() {
  BatchFile file(options_);
  const int64_t requests = file.check();
  wait_until_ready();
  Batch batch{.file = file, .deadline = deadline(), .next = file.next(), .again = {}, .unanswered = {}};
  const Stopwatch clock;
  {  // answers on a terminal show how far it is
    Progress progress("answering", "requests", requests, requests > 0 && !isatty(STDOUT_FILENO));
    while ((batch.next || !batch.again.empty()) && !stdout_failed())
      if (const grpc::Status why = run_part(batch, progress); !why.ok()) wait_to_ask_again(batch, why);
  }
  if (stdout_failed()) return 0;  // every command ends by telling why
  std::fprintf(stderr, "%lld requests, %lld tokens in %.3f s: %.1f tokens/s\n", static_cast<long long>(batch.answered),
               static_cast<long long>(batch.tokens), clock.seconds(), static_cast<double>(batch.tokens) / clock.seconds());
  return batch.failed ? 1 : 0;
}

}  // namespace

int run_client(const ClientOptions& options) {
  if (options.prompt.has_value() + options.chat_file.has_value() + options.batch.has_value() != 1)
    bad_input("give exactly one of --prompt, --chat-file and --batch");
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  Client client(options);
  if (options.batch) return client.run_batch();
  client.run_prompt();
  return 0;
}

}  // namespace weft
