#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "kernels/core/check.h"
#include "kernels/core/progress.h"
#include "launcher/channel.h"
#include "launcher/job.h"
#include "launcher/serve_commands.h"
#include "launcher/standard_streams.h"
#include "weft/v1/weft.grpc.pb.h"

namespace weft {
namespace {

using json = nlohmann::ordered_json;
using SystemTime = std::chrono::system_clock::time_point;

constexpr int max_batch = 1024;             // requests of one GenerateBatch
constexpr size_t max_batch_bytes = 8 << 20;  // half of what a server takes

class Client {
 public:
  explicit Client(const ClientOptions& options) : options_(options), stub_(v1::Weft::NewStub(connect_to_server(options.target))) {}

  void wait_until_ready();
  void run_prompt();
  int run_batch();  // the exit code: 1 if some request failed

 private:
  struct Batch {
    std::vector<v1::GenerateRequest> requests;
    SystemTime deadline;
    size_t asked = 0;  // of the requests
    int64_t tokens = 0;
    bool failed = false;  // some request
  };

  SystemTime deadline() const;
  v1::GenerateRequest request(const std::string& prompt) const;
  v1::GenerateRequest batch_request(const std::string& line, int number) const;
  std::vector<v1::GenerateRequest> read_batch() const;
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

v1::GenerateRequest Client::request(const std::string& prompt) const {
  v1::GenerateRequest r;
  if (options_.chat) {
    v1::ChatMessage* message = r.mutable_chat()->add_messages();
    message->set_role("user");
    message->set_content(prompt);
  } else {
    r.set_text(prompt);
  }
  v1::SamplingParams& s = *r.mutable_sampling();
  s.set_temperature(options_.sampling.temperature);
  s.set_top_k(options_.sampling.top_k);
  s.set_top_p(options_.sampling.top_p);
  s.set_min_p(options_.sampling.min_p);
  s.set_repetition_penalty(options_.sampling.repetition_penalty);
  if (options_.seed) s.set_seed(*options_.seed);
  r.set_max_tokens(options_.max_tokens);
  r.set_ignore_eos(options_.ignore_eos);
  r.set_cache_salt(options_.cache_salt);
  for (const std::string& stop : options_.stop) r.add_stop(stop);
  return r;
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
               hex(last.fingerprint()).c_str());
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
             {{"prompt_tokens", last.usage().prompt_tokens()}, {"completion_tokens", last.usage().completion_tokens()}}},
            {"timings",
             {{"ttft_s", last.timings().ttft_s()},
              {"total_s", last.timings().total_s()},
              {"decode_tok_s", last.timings().decode_tok_s()}}},
            {"seed", last.seed()},
            {"replays", last.replays()},
            {"fingerprint", hex(last.fingerprint())}};
  }
};

void Client::run_prompt() {
  grpc::ClientContext context;
  context.set_deadline(deadline());
  const auto stream = stub_->Generate(&context, request(*options_.prompt));
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

// A line is a prompt with what differs from the flags.
v1::GenerateRequest Client::batch_request(const std::string& line, int number) const {
  const auto where = [&] { return cat("--batch ", *options_.batch, " line ", number); };
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) bad_input(where(), " is no JSON object");
  try {
    v1::GenerateRequest r = request(object.value("prompt", ""));
    for (const auto& [key, value] : object.items()) {
      if (key == "prompt")
        continue;
      else if (key == "token_ids") {
        const auto ids = value.get<std::vector<int32_t>>();
        r.mutable_token_ids()->mutable_ids()->Assign(ids.begin(), ids.end());
      } else if (key == "max_tokens")
        r.set_max_tokens(value.get<int>());
      else if (key == "temperature")
        r.mutable_sampling()->set_temperature(value.get<float>());
      else if (key == "seed")
        r.mutable_sampling()->set_seed(value.get<uint64_t>());
      else if (key == "cache_salt")
        r.set_cache_salt(value.get<std::string>());
      else
        bad_input(where(), " has the unknown key ", key,
                  "; known are prompt, token_ids, max_tokens, temperature, seed and cache_salt");
    }
    return r;
  } catch (const nlohmann::json::exception& e) {
    bad_input(where(), ": ", e.what());
  }
}

std::vector<v1::GenerateRequest> Client::read_batch() const {
  std::ifstream file(*options_.batch);
  if (!file) bad_input("cannot read --batch ", *options_.batch);
  std::vector<v1::GenerateRequest> requests;
  int number = 0;
  for (std::string line; std::getline(file, line);)
    if (++number; !line.empty()) requests.push_back(batch_request(line, number));
  if (requests.empty()) bad_input("--batch ", *options_.batch, " holds no request");
  return requests;
}

// One call with as many requests as fit into it.
void Client::run_part(Batch& batch, Progress& progress) {
  v1::GenerateBatchRequest part;
  const size_t first = batch.asked;
  for (size_t bytes = 0; batch.asked < batch.requests.size() && part.requests_size() < max_batch; ++batch.asked) {
    bytes += batch.requests[batch.asked].ByteSizeLong();
    if (bytes > max_batch_bytes && batch.asked > first) break;
    *part.add_requests() = std::move(batch.requests[batch.asked]);
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
    json result = {{"index", first + message.index()}};
    result.update(answer.as_json());
    std::puts(result.dump().c_str());
    answers.erase(message.index());
    progress.advance(1);
  }
  if (stdout_failed()) return context.TryCancel();
  if (const grpc::Status status = stream->Finish(); !status.ok()) fail_call(status, options_.target);
}

int Client::run_batch() {
  Batch batch{.requests = read_batch(), .deadline = deadline()};
  const Stopwatch clock;
  {  // answers on a terminal show how far it is
    Progress progress("answering", "requests", static_cast<int64_t>(batch.requests.size()), !isatty(STDOUT_FILENO));
    while (batch.asked < batch.requests.size() && !stdout_failed()) run_part(batch, progress);
  }
  if (stdout_failed()) return 0;  // every command ends by telling why
  std::fprintf(stderr, "%zu requests, %lld tokens in %.3f s: %.1f tokens/s\n", batch.requests.size(),
               static_cast<long long>(batch.tokens), clock.seconds(), static_cast<double>(batch.tokens) / clock.seconds());
  return batch.failed ? 1 : 0;
}

}  // namespace

int run_client(const ClientOptions& options) {
  if (options.prompt.has_value() == options.batch.has_value()) bad_input("give exactly one of --prompt and --batch");
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  Client client(options);
  if (options.wait_s > 0) client.wait_until_ready();
  if (options.batch) return client.run_batch();
  client.run_prompt();
  return 0;
}

}  // namespace weft
