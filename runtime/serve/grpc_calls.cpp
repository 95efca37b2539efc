#include "runtime/serve/grpc_calls.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include "kernels/core/check.h"
#include "runtime/serve/chat_conversion.h"
#include "runtime/serve/work_pool.h"

namespace weft {
namespace {

std::vector<int32_t> prompt_of(const v1::GenerateRequest& request, const TextFront& text, int64_t max_tokens) {
  switch (request.prompt_case()) {
    case v1::GenerateRequest::kText: return text.encode(request.text(), max_tokens);
    case v1::GenerateRequest::kTokenIds: return {request.token_ids().ids().begin(), request.token_ids().ids().end()};
    case v1::GenerateRequest::kChat: return text.encode(from_proto(request.chat()), max_tokens);
    case v1::GenerateRequest::PROMPT_NOT_SET: break;
  }
  bad_input("the request has no prompt; set one of text, token_ids and chat");
}

}  // namespace

grpc::Status to_status(const ServeError& error) { return {static_cast<grpc::StatusCode>(error.code()), error.what()}; }

grpc::Status too_busy() {
  return {grpc::StatusCode::RESOURCE_EXHAUSTED,
          cat("the server has ", max_waiting_bytes >> 20, " MiB of requests to read already; try again later")};
}

void parse(const grpc::ByteBuffer& bytes, google::protobuf::Message& message) {
  grpc::ByteBuffer copy = bytes;  // shares the memory; reading moves its position
  if (!grpc::SerializationTraits<google::protobuf::Message>::Deserialize(&copy, &message).ok())
    throw ServeError(ServeCode::invalid_argument,
                     cat("the request is no valid ", message.GetDescriptor()->full_name(), "; its text must be UTF-8"));
}

grpc::ByteBuffer serialise(const google::protobuf::Message& message) {
  grpc::ByteBuffer bytes;
  bool owned = false;
  grpc::SerializationTraits<google::protobuf::Message>::Serialize(message, &bytes, &owned);
  return bytes;
}

Generation to_generation(const v1::GenerateRequest& request, const Coordinator& coordinator, const TextFront& text) try {
  Generation g;
  g.prompt = prompt_of(request, text, coordinator.max_prompt_tokens());
  g.sampling = from_proto(request.sampling());
  if (request.has_max_tokens()) g.max_tokens = request.max_tokens();
  g.ignore_eos = request.ignore_eos();
  g.stop = {request.stop().begin(), request.stop().end()};
  g.cache_salt = request.cache_salt();
  coordinator.check(g);
  g.text = text.answer(g.prompt, g.stop);
  return g;
} catch (const InputError& e) {
  throw ServeError(ServeCode::invalid_argument, e.what());
}

}  // namespace weft
