#include "runtime/serve/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <chrono>

#include "grpc/health/v1/health.pb.h"
#include "kernels/core/check.h"
#include "runtime/serve/chat_conversion.h"
#include "runtime/serve/grpc_calls.h"
#include "runtime/serve/grpc_stream.h"
#include "runtime/serve/listener.h"
#include "runtime/serve/request_log.h"
#include "weft/v1/weft.grpc.pb.h"

namespace weft {
namespace {

// Calls of one connection at a time, beyond the requests that the server takes at all: answers that nobody reads are bounded
// for every kind of call. A client's further calls wait at the client.
constexpr int more_calls = 1024;
constexpr int login_timeout_ms = 10'000;   // for a new connection to speak HTTP/2
constexpr int min_ping_interval_ms = 900;  // one second, and the jitter of a network. A client that pings faster is cut off
constexpr const char* service_name = "weft.v1.Weft";

// Generate, GenerateBatch and Tokenize take bytes, see parse().
using Base = v1::Weft::WithRawCallbackMethod_Generate<
    v1::Weft::WithRawCallbackMethod_GenerateBatch<v1::Weft::WithRawCallbackMethod_Tokenize<
        v1::Weft::WithCallbackMethod_GetModelInfo<v1::Weft::WithCallbackMethod_GetStats<v1::Weft::Service>>>>>;

class WeftService final : public Base {
 public:
  WeftService(const CallContext& with, const ServerIdentity& identity) : with_(with), identity_(identity) {}

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Generate(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* request) override {
    return StreamCall::start(StreamCall::Kind::single, *context, *request, with_);
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* GenerateBatch(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request) override {
    return StreamCall::start(StreamCall::Kind::batch, *context, *request, with_);
  }

  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const auto finish = [reactor](const grpc::Status& status) {
      if (!status.ok()) log_refused("tokenize call", {static_cast<ServeCode>(status.error_code()), status.error_message()});
      reactor->Finish(status);
    };
    const auto job = [=, this, arrived = ServeClock::now()] {
      finish(status_of([&] {
        if (context->IsCancelled()) return;
        const v1::TokenizeResponse ids = tokenize(*request);
        log_tokenized(ids.token_ids_size(), std::chrono::duration<double>(ServeClock::now() - arrived).count());
        *response = serialise(ids);
      }));
    };
    if (!with_.pool.run(request->Length(), job)) finish(too_busy());
    return reactor;
  }

  grpc::ServerUnaryReactor* GetModelInfo(grpc::CallbackServerContext* context, const v1::GetModelInfoRequest*,
                                         v1::GetModelInfoResponse* response) override {
    return answer(context, [&] {
      const std::optional<EngineReady> model = with_.coordinator.model();
      if (!model) throw ServeError(ServeCode::unavailable, "the model is still loading");
      *response = to_proto(*model);
      response->set_model(identity_.model);
      response->set_version(identity_.version);
      response->set_has_tokenizer(with_.text.tokenizer() != nullptr);
      response->set_has_chat_template(with_.text.has_chat_template());
    });
  }

  grpc::ServerUnaryReactor* GetStats(grpc::CallbackServerContext* context, const v1::GetStatsRequest*,
                                     v1::GetStatsResponse* response) override {
    return answer(context, [&] { *response = to_proto(with_.coordinator.stats()); });
  }

 private:
  v1::TokenizeResponse tokenize(const grpc::ByteBuffer& bytes) const {
    v1::TokenizeRequest request;
    parse(bytes, request);
    const int64_t max_tokens = with_.coordinator.max_prompt_tokens();
    std::vector<int32_t> ids;
    switch (request.input_case()) {
      case v1::TokenizeRequest::kText: ids = with_.text.encode(request.text(), max_tokens); break;
      case v1::TokenizeRequest::kChat: ids = with_.text.encode(from_proto(request.chat()), max_tokens); break;
      case v1::TokenizeRequest::INPUT_NOT_SET: bad_input("the request has no input; set one of text and chat");
    }
    v1::TokenizeResponse response;
    response.mutable_token_ids()->Add(ids.begin(), ids.end());
    return response;
  }

  template <class Fn>
  static grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext* context, Fn&& fn) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(status_of(fn));
    return reactor;
  }

  // fn makes the answer; what it throws becomes the status.
  template <class Fn>
  static grpc::Status status_of(Fn&& fn) {
    try {
      fn();
      return grpc::Status::OK;
    } catch (const ServeError& e) {
      return to_status(e);
    } catch (const InputError& e) {
      return {grpc::StatusCode::INVALID_ARGUMENT, e.what()};
    } catch (const std::exception& e) {
      return {grpc::StatusCode::INTERNAL, e.what()};
    }
  }

  const CallContext with_;
  const ServerIdentity identity_;
};

}  // namespace

struct GrpcServer::Impl {
  Impl(const std::string& address, const CallContext& with, const ServerIdentity& identity)
      : listener(address), service(with, identity) {}

  Listener listener;
  WeftService service;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  std::unique_ptr<grpc::Server> server;
};

GrpcServer::GrpcServer(const std::string& address, Coordinator& coordinator, const TextFront& text, WorkPool& pool,
                       const ServerIdentity& identity, const GrpcLimits& limits)
    : impl_(std::make_unique<Impl>(address, CallContext{coordinator, text, pool, limits.reader_timeout}, identity)) {
  const int connections = allowed_connections(limits.max_connections);
  grpc::EnableDefaultHealthCheckService(true);
  // Reflection describes what is linked; gRPC's own health service is not made from a .proto.
  google::protobuf::LinkMessageReflection<grpc::health::v1::HealthCheckRequest>();
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(max_request_bytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, static_cast<int>(coordinator.stats().limit) + more_calls);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, login_timeout_ms);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, min_ping_interval_ms);
  // gRPC bounds what a message unpacks to only after it has unpacked it: compressed requests are refused instead.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  for (const auto algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP})
    builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
  impl_->acceptor = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, grpc::InsecureServerCredentials());
  builder.RegisterService(&impl_->service);
  impl_->server = builder.BuildAndStart();
  WEFT_CHECK(impl_->server, "gRPC does not start");
  impl_->listener.start(connections, [this](int fd) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = fd;
    impl_->acceptor->HandleNewConnection(&connection);
  });
  set_serving(false);
}

GrpcServer::~GrpcServer() { stop(0); }

int GrpcServer::port() const { return impl_->listener.port(); }

void GrpcServer::set_serving(bool serving) {
  impl_->server->GetHealthCheckService()->SetServingStatus(serving);
  impl_->server->GetHealthCheckService()->SetServingStatus(service_name, serving);
}

void GrpcServer::stop_serving() { impl_->server->GetHealthCheckService()->Shutdown(); }

void GrpcServer::stop(double grace_s) {
  impl_->listener.stop();
  const auto grace = std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::duration<double>(grace_s));
  impl_->server->Shutdown(std::chrono::system_clock::now() + grace);
  impl_->server->Wait();
}

}  // namespace weft
