#include "runtime/serve/grpc_server.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "tests/runtime/serve/coordinator_fixture.h"
#include "weft/v1/weft.grpc.pb.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using grpc::StatusCode;

class GrpcServerTest : public ::testing::Test {
 protected:
  struct Result {
    grpc::Status status;
    std::vector<int32_t> tokens;
    std::string text;
    v1::GenerateResponse last;
  };

  Result generate(const v1::GenerateRequest& request, std::chrono::milliseconds timeout = 60s) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    const auto stream = stub_->Generate(&context, request);
    Result result;
    for (v1::GenerateResponse message; stream->Read(&message);) {
      result.tokens.insert(result.tokens.end(), message.token_ids().begin(), message.token_ids().end());
      result.text += message.text();
      result.last = message;
    }
    result.status = stream->Finish();
    return result;
  }

  static v1::GenerateRequest ids(const std::vector<int32_t>& prompt, int max_tokens) {
    v1::GenerateRequest request;
    request.mutable_token_ids()->mutable_ids()->Add(prompt.begin(), prompt.end());
    request.set_max_tokens(max_tokens);
    request.mutable_sampling()->set_seed(0);
    return request;
  }

  Served served_{500us, {.max_requests = 8}};
  TextFront text_{test_tokenizer()};
  GrpcServer server_{"127.0.0.1:0", served_.coordinator, text_, served_.pool, {"a model", "a version"}};
  std::string address_ = "127.0.0.1:" + std::to_string(server_.port());
  std::shared_ptr<grpc::Channel> channel_ = grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
  std::unique_ptr<v1::Weft::Stub> stub_ = v1::Weft::NewStub(channel_);
};

TEST_F(GrpcServerTest, StreamsAnAnswer) {
  const Result result = generate(ids({1, 2}, 50));
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.tokens, fake_answer({1, 2}, 50, 0));
  EXPECT_EQ(result.text, text_.tokenizer()->decode(result.tokens, true));
  EXPECT_EQ(result.last.finish_reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(result.last.usage().completion_tokens(), 50);
  EXPECT_EQ(result.last.usage().prompt_tokens(), 2);
  EXPECT_EQ(result.last.fingerprint(), 7u);
  EXPECT_GT(result.last.timings().decode_tok_s(), 0);
}

TEST_F(GrpcServerTest, BatchTagsResultsAndKeepsErrorsApart) {
  v1::GenerateBatchRequest batch;
  for (int i = 0; i < 5; ++i) *batch.add_requests() = ids({i + 1}, 10 + i);
  batch.mutable_requests(2)->mutable_sampling()->set_top_p(7);
  grpc::ClientContext context;
  const auto stream = stub_->GenerateBatch(&context, batch);
  std::map<int, std::vector<int32_t>> tokens;
  int errors = 0, finished = 0;
  for (v1::GenerateBatchResponse message; stream->Read(&message);) {
    if (message.has_error()) {
      ++errors;
      EXPECT_EQ(message.index(), 2);
      EXPECT_EQ(message.error().code(), StatusCode::INVALID_ARGUMENT);
      continue;
    }
    auto& to = tokens[message.index()];
    to.insert(to.end(), message.response().token_ids().begin(), message.response().token_ids().end());
    finished += message.response().finish_reason() != v1::FINISH_REASON_UNSPECIFIED;
  }
  ASSERT_TRUE(stream->Finish().ok());
  EXPECT_EQ(errors, 1);
  EXPECT_EQ(finished, 4);
  for (const int i : {0, 1, 3, 4}) EXPECT_EQ(tokens[i], fake_answer({i + 1}, 10 + i, 0)) << i;
}

TEST_F(GrpcServerTest, BadRequestsGetInvalidArgumentAndOneSentence) {
  const auto refused = [&](const v1::GenerateRequest& request) {
    const grpc::Status status = generate(request).status;
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_FALSE(status.error_message().empty());
  };
  refused({});
  refused(ids({}, 5));
  refused(ids({-1}, 5));
  refused(ids({static_cast<int32_t>(fake_vocab)}, 5));
  refused(ids(std::vector<int32_t>(fake_max_model_len, 1), 5));
  refused(ids({1}, 0));
  refused(ids({1}, -1));
  v1::GenerateRequest request = ids({1}, 5);
  request.mutable_sampling()->set_temperature(-1);
  refused(request);
  request = ids({1}, 5);
  for (int i = 0; i < 17; ++i) request.add_stop("x");
  refused(request);
  request = ids({1}, 5);
  request.set_text("");
  refused(request);
  request.mutable_chat();
  refused(request);
  EXPECT_TRUE(generate(ids({1}, 5)).status.ok());
}

TEST_F(GrpcServerTest, WithoutATokenizerThereIsNoTextAndNoStopString) {
  const TextFront no_text(nullptr);
  GrpcServer server("127.0.0.1:0", served_.coordinator, no_text, served_.pool, {});
  stub_ = v1::Weft::NewStub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(server.port()), grpc::InsecureChannelCredentials()));
  v1::GenerateRequest request = ids({1}, 5);
  const Result result = generate(request);
  EXPECT_EQ(result.tokens, fake_answer({1}, 5, 0));
  EXPECT_EQ(result.text, "");
  request.add_stop("x");
  EXPECT_EQ(generate(request).status.error_message(), "stop strings need text, and this model has no tokenizer");
}

// A client in another language, or none, can send bytes that are no request.
TEST_F(GrpcServerTest, MalformedBytesAndInvalidUtf8AreInvalidArguments) {
  for (const std::string& bytes : {std::string("\x0a\x02\xc3\x28", 4), std::string("\xff\xff\xff\xff\xff"),
                                   std::string("\x0a\x7f"
                                               "a")}) {
    grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(channel_);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const grpc::Slice slice(bytes);
    const auto call = stub.PrepareUnaryCall(&context, "/weft.v1.Weft/Generate", grpc::ByteBuffer(&slice, 1), &queue);
    grpc::ByteBuffer response;
    grpc::Status status;
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_THAT(status.error_message(), ::testing::HasSubstr("UTF-8"));
  }
  EXPECT_TRUE(generate(ids({1}, 5)).status.ok());
}

TEST_F(GrpcServerTest, AnOversizedMessageIsRefusedAndTheServerGoesOn) {
  EXPECT_EQ(generate(ids(std::vector<int32_t>(20 << 20, 1), 5)).status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(generate(ids({1}, 5)).status.ok());
}

// 8 at a time is all the server takes.
TEST_F(GrpcServerTest, ABatchLargerThanTheLimitIsServedInParts) {
  v1::GenerateBatchRequest batch;
  for (int i = 0; i < 100; ++i) *batch.add_requests() = ids({i % 90, 3}, 1 + i % 7);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 60s);
  const auto stream = stub_->GenerateBatch(&context, batch);
  std::map<int, std::vector<int32_t>> tokens;
  for (v1::GenerateBatchResponse message; stream->Read(&message);) {
    ASSERT_FALSE(message.has_error()) << message.error().message();
    auto& to = tokens[message.index()];
    to.insert(to.end(), message.response().token_ids().begin(), message.response().token_ids().end());
  }
  ASSERT_TRUE(stream->Finish().ok());
  ASSERT_EQ(tokens.size(), 100u);
  for (const auto& [i, got] : tokens) EXPECT_EQ(got, fake_answer({i % 90, 3}, 1 + i % 7, 0)) << i;
  EXPECT_EQ(served_.coordinator.stats().refused, 0);
}

TEST_F(GrpcServerTest, AFullServerIsResourceExhausted) {
  std::deque<Generation> waiting;
  for (int i = 0; i < 8; ++i) waiting.push_back(generation({i}, 400));
  const std::vector<RequestId> taken = served_.coordinator.submit(waiting);
  const grpc::Status status = generate(ids({1}, 5)).status;
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), ::testing::HasSubstr("8 requests"));
  for (const RequestId id : taken) served_.coordinator.release(id);
  EXPECT_TRUE(generate(ids({1}, 5)).status.ok());
}

// A client that leaves its stream alone gets no more than its window; then nothing moves.
TEST_F(GrpcServerTest, AReaderThatTakesNothingIsCutOff) {
  GrpcServer server("127.0.0.1:0", served_.coordinator, text_, served_.pool, {}, {.reader_timeout = 300ms});
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  const auto stub = v1::Weft::NewStub(grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server.port()),
                                                                grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  const auto stream = stub->Generate(&context, ids({1}, 500));
  const auto over = [&] {
    const CoordinatorStats stats = served_.coordinator.stats();
    return stats.accepted == 1 && stats.unfinished == 0;
  };
  for (int i = 0; i < 2000 && !over(); ++i) std::this_thread::sleep_for(5ms);
  EXPECT_TRUE(over());
  for (v1::GenerateResponse message; stream->Read(&message);) {
  }
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_THAT(status.error_message(), ::testing::HasSubstr("took nothing for 0.3 seconds"));
}

TEST_F(GrpcServerTest, ClientsThatLeaveAndDeadlinesFreeTheEngine) {
  EXPECT_EQ(generate(ids({1}, 500), 50ms).status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  {
    grpc::ClientContext context;
    const auto stream = stub_->Generate(&context, ids({1}, 500));
    v1::GenerateResponse message;
    ASSERT_TRUE(stream->Read(&message));
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), StatusCode::CANCELLED);
  }
  for (int i = 0; i < 2000 && served_.coordinator.stats().unfinished > 0; ++i) std::this_thread::sleep_for(1ms);
  const CoordinatorStats stats = served_.coordinator.stats();
  EXPECT_EQ(stats.unfinished, 0);
  EXPECT_EQ(stats.cancelled, 2);
}

TEST_F(GrpcServerTest, LosingTheEngineDoesNotChangeAStream) {
  std::thread trouble([&] {
    std::this_thread::sleep_for(20ms);
    served_.link.lose();
  });
  const Result result = generate(ids({5}, 300));
  trouble.join();
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.tokens, fake_answer({5}, 300, 0));
  EXPECT_EQ(result.last.replays(), 1);
}

TEST_F(GrpcServerTest, InfoAndStats) {
  grpc::ClientContext info_context, stats_context;
  v1::GetModelInfoResponse info;
  ASSERT_TRUE(stub_->GetModelInfo(&info_context, {}, &info).ok());
  EXPECT_EQ(info.model(), "a model");
  EXPECT_EQ(info.version(), "a version");
  EXPECT_EQ(info.model_type(), "fake");
  EXPECT_EQ(info.max_model_len(), fake_max_model_len);
  EXPECT_TRUE(info.has_tokenizer());
  generate(ids({1}, 5));
  v1::GetStatsResponse stats;
  ASSERT_TRUE(stub_->GetStats(&stats_context, {}, &stats).ok());
  EXPECT_EQ(stats.state(), "serving");
  EXPECT_EQ(stats.tokens_generated(), 5);
  EXPECT_EQ(stats.requests_finished(), 1);
  EXPECT_EQ(stats.engine().generated_tokens(), 5);
}

TEST_F(GrpcServerTest, WhileDrainingNewCallsAreUnavailable) {
  served_.coordinator.begin_drain();
  EXPECT_EQ(generate(ids({1}, 5)).status.error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(GrpcServerTest, MoreConnectionsThanAllowedAreTurnedAwayUntilOneCloses) {
  GrpcServer server("localhost:0", served_.coordinator, text_, served_.pool, {}, {.max_connections = 2});
  const auto ask = [&](v1::Weft::Stub& stub) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + 10s);
    v1::GetStatsResponse stats;
    return stub.GetStats(&context, {}, &stats).error_code();
  };
  const auto connect = [&] {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return v1::Weft::NewStub(grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server.port()),
                                                       grpc::InsecureChannelCredentials(), arguments));
  };
  const auto first = connect();
  auto second = connect();
  EXPECT_EQ(ask(*first), StatusCode::OK);
  EXPECT_EQ(ask(*second), StatusCode::OK);
  EXPECT_EQ(ask(*connect()), StatusCode::UNAVAILABLE);
  second.reset();
  StatusCode third = StatusCode::UNAVAILABLE;
  for (int i = 0; i < 100 && third != StatusCode::OK; ++i, std::this_thread::sleep_for(10ms)) third = ask(*connect());
  EXPECT_EQ(third, StatusCode::OK);
  EXPECT_EQ(ask(*first), StatusCode::OK);
}

TEST_F(GrpcServerTest, AddressesThatCannotBeHadAreRefused) {
  for (const std::string& address :
       {address_, std::string("nonsense"), std::string("127.0.0.1:99999"), std::string("127.0.0.1:")})
    EXPECT_THROW(GrpcServer(address, served_.coordinator, text_, served_.pool, {}), InputError) << address;
}

}  // namespace
}  // namespace weft
