#include "runtime/serve/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <algorithm>
#include <chrono>

#include "kernels/core/check.h"
#include "kernels/core/thread_pool.h"
#include "runtime/serve/grpc_calls.h"
#include "runtime/serve/grpc_stream.h"
#include "weft/v1/weft.grpc.pb.h"

namespace weft {
namespace {

constexpr int max_request_bytes = 16 << 20;
constexpr const char* service_name = "weft.v1.Weft";

// gRPC takes a port modulo 65536.
void check_address(const std::string& address) {
  const size_t colon = address.rfind(':');
  const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  const bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || std::stoi(port) > 65535)
    bad_input("cannot listen on ", address, ": it must be HOST:PORT with a port of 0 to 65535");
}

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
    const auto job = [=, this] {
      finish(reactor, [&] {
        if (!context->IsCancelled()) *response = serialise(tokenize(*request));
      });
    };
    if (!with_.pool.run(request->Length(), job)) reactor->Finish(too_busy());
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
    std::vector<int32_t> ids;
    switch (request.input_case()) {
      case v1::TokenizeRequest::kText: ids = with_.text.encode(request.text()); break;
      case v1::TokenizeRequest::kChat: ids = encode_chat(request.chat(), with_.text); break;
      case v1::TokenizeRequest::INPUT_NOT_SET: bad_input("the request has no input; set one of text and chat");
    }
    v1::TokenizeResponse response;
    response.mutable_token_ids()->Add(ids.begin(), ids.end());
    return response;
  }

  template <class Fn>
  static grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext* context, Fn&& fn) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    finish(reactor, fn);
    return reactor;
  }

  // fn makes the answer; what it throws becomes the status.
  template <class Fn>
  static void finish(grpc::ServerUnaryReactor* reactor, Fn&& fn) {
    try {
      fn();
      reactor->Finish(grpc::Status::OK);
    } catch (const ServeError& e) {
      reactor->Finish(to_status(e));
    } catch (const InputError& e) {
      reactor->Finish({grpc::StatusCode::INVALID_ARGUMENT, e.what()});
    } catch (const std::exception& e) {
      reactor->Finish({grpc::StatusCode::INTERNAL, e.what()});
    }
  }

  const CallContext with_;
  const ServerIdentity identity_;
};

}  // namespace

struct GrpcServer::Impl {
  Impl(Coordinator& coordinator, const TextFront& text, const ServerIdentity& identity, const GrpcLimits& limits)
      : pool(std::clamp(available_cpus() / 2, 2, 8)), service({coordinator, text, pool, limits.reader_timeout}, identity) {}

  WorkPool pool;
  WeftService service;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

GrpcServer::GrpcServer(const std::string& address, Coordinator& coordinator, const TextFront& text,
                       const ServerIdentity& identity, const GrpcLimits& limits)
    : impl_(std::make_unique<Impl>(coordinator, text, identity, limits)) {
  check_address(address);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT,
                             0);  // a second server on the port must fail, not share it
  builder.SetMaxReceiveMessageSize(max_request_bytes);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &impl_->port);
  builder.RegisterService(&impl_->service);
  impl_->server = builder.BuildAndStart();
  if (!impl_->server || impl_->port == 0)
    bad_input("cannot listen on ", address, ": the port is in use, or the address is not this machine's");
  set_serving(false);
}

GrpcServer::~GrpcServer() { stop(0); }

int GrpcServer::port() const { return impl_->port; }

void GrpcServer::set_serving(bool serving) {
  impl_->server->GetHealthCheckService()->SetServingStatus(serving);
  impl_->server->GetHealthCheckService()->SetServingStatus(service_name, serving);
}

void GrpcServer::stop_serving() { impl_->server->GetHealthCheckService()->Shutdown(); }

void GrpcServer::stop(double grace_s) {
  if (!impl_->server) return;
  const auto grace = std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::duration<double>(grace_s));
  impl_->server->Shutdown(std::chrono::system_clock::now() + grace);
  impl_->server->Wait();
}

}  // namespace weft
