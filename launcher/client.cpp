#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "kernels/core/check.h"
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

class Client {
 public:
  explicit Client(const ClientOptions& options) : options_(options), stub_(v1::Weft::NewStub(connect_to_server(options.target))) {}

  void run_prompt();
  int run_batch();  // the exit code: 1 if some request failed

 private:
  struct Batch {
    BatchFile& file;
    SystemTime deadline;
    std::optional<BatchFile::Line> next;  // to be asked; none: the file has ended
    int64_t answered = 0, tokens = 0;
    bool failed = false;  // some request
  };

  void wait_until_ready();
  SystemTime deadline() const;
  void run_part(Batch& batch, Progress& progress);
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

// One call with as many of the next requests as fit into it.
void Client::run_part(Batch& batch, Progress& progress) {
  v1::GenerateBatchRequest part;
  std::vector<json> ids;
  for (size_t bytes = 0; batch.next && part.requests_size() < max_batch; batch.next = batch.file.next()) {
    bytes += batch.next->request.ByteSizeLong();
    if (bytes > max_batch_bytes && !ids.empty()) break;
    *part.add_requests() = std::move(batch.next->request);
    ids.push_back(std::move(batch.next->id));
  }
  grpc::ClientContext context;
  context.set_deadline(batch.deadline);
  const auto stream = stub_->GenerateBatch(&context, part);
  std::map<int, Answer> answers;
  for (v1::GenerateBatchResponse message; !stdout_failed() && stream->Read(&message);) {
    Answer& answer = answers[message.index()];
    if (message.has_error())
      answer.error = message.error().message();
    else
      answer.add(message.response());
    if (answer.error.empty() && answer.last.finish_reason() == v1::FINISH_REASON_UNSPECIFIED) continue;
    batch.failed |= !answer.error.empty();
    batch.tokens += static_cast<int64_t>(answer.ids.size());
    json result = {{"index", batch.answered + message.index()}};
    if (const json& id = ids.at(static_cast<size_t>(message.index())); !id.is_null()) result["id"] = id;
    result.update(answer.as_json());
    std::puts(result.dump().c_str());
    std::fflush(stdout);
    answers.erase(message.index());
    progress.advance(1);
  }
  if (stdout_failed()) return context.TryCancel();
  if (const grpc::Status status = stream->Finish(); !status.ok()) fail_call(status, options_.target);
  batch.answered += part.requests_size();
}

int Client::run_batch() {
  BatchFile file(options_);
  const int64_t requests = file.check();
  wait_until_ready();
  Batch batch{.file = file, .deadline = deadline(), .next = file.next()};
  const Stopwatch clock;
  {  // answers on a terminal show how far it is
    Progress progress("answering", "requests", requests, requests > 0 && !isatty(STDOUT_FILENO));
    while (batch.next && !stdout_failed()) run_part(batch, progress);
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
