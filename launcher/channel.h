#pragma once
// How the commands that are clients reach a server, and what they say when they do not.
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace weft {

std::shared_ptr<grpc::Channel> connect_to_server(const std::string& target);

bool no_server(const grpc::Status& status);  // none was reached

// Throws what a failed call means: InputError with the server's sentence for INVALID_ARGUMENT, else std::runtime_error, which says
// "no server at TARGET" where none was reached.
[[noreturn]] void fail_call(const grpc::Status& status, const std::string& target);

}  // namespace weft
