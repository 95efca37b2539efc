#include "launcher/channel.h"

#include "kernels/core/check.h"

namespace weft {
namespace {

// Whether HOST:PORT is this machine by its name or address.
bool is_loopback(const std::string& target) {
  const std::string host = target.substr(0, target.rfind(':'));
  return host == "localhost" || host.starts_with("127.") || host == "[::1]";
}

}  // namespace

std::shared_ptr<grpc::Channel> connect_to_server(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);  // of --wait, and of what waits for a server to come back
  if (is_loopback(target)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // http_proxy is for other machines
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

bool no_server(const grpc::Status& status) {
  const auto says = [&](const char* text) { return status.error_message().find(text) != std::string::npos; };
  return status.error_code() == grpc::StatusCode::UNAVAILABLE &&
         (says("failed to connect") || says("DNS resolution failed"));
}

void fail_call(const grpc::Status& status, const std::string& target) {
  const std::string& words = status.error_message();
  const auto says = [&](const char* text) { return words.find(text) != std::string::npos; };
  if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) throw InputError(words);
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {  // gRPC's own words; a server's are a sentence of ours
    if (no_server(status))
      throw std::runtime_error(cat("no server at ", target, "; start one with weft serve, or name another with --target"));
    if (says("Socket closed") || says("Connection reset") || says("Broken pipe"))
      throw std::runtime_error(cat("the server at ", target, " went away in the middle of the call"));
  }
  throw std::runtime_error(cat("the call failed with gRPC status ", status.error_code(), ": ", words));
}

}  // namespace weft
