#pragma once
// What `weft client` asks.
#include <vector>

#include "launcher/serve_commands.h"
#include "weft/v1/weft.pb.h"

namespace weft {

// The one request of --prompt or --chat-file.
v1::GenerateRequest client_request(const ClientOptions& options);

// The requests of --batch, a line each: what a line does not say is as the flags say.
std::vector<v1::GenerateRequest> client_batch(const ClientOptions& options);

}  // namespace weft
