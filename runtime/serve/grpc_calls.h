#pragma once
// Requests and statuses as gRPC carries them. Only grpc_*.cpp include this.
#include <grpcpp/grpcpp.h>

#include <vector>

#include "runtime/serve/conversions.h"
#include "runtime/serve/coordinator.h"
#include "runtime/serve/text_front.h"

namespace weft {

grpc::Status to_status(const ServeError& error);
grpc::Status too_busy();  // WorkPool::run() refused

// We parse requests ourselves: gRPC answers UNIMPLEMENTED to one it cannot parse, such as one whose text is
// not UTF-8. Throws ServeError invalid_argument.
void parse(const grpc::ByteBuffer& bytes, google::protobuf::Message& message);
grpc::ByteBuffer serialise(const google::protobuf::Message& message);

// Tokenized and checked. Throws ServeError.
Generation to_generation(const v1::GenerateRequest& request, const Coordinator& coordinator, const TextFront& text);

}  // namespace weft
