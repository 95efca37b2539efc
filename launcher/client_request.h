#pragma once
// What `weft client` asks.
#include <fstream>
#include <optional>
#include <string>

#include "launcher/serve_commands.h"
#include "runtime/text/chat.h"
#include "weft/v1/weft.pb.h"

namespace weft {

// The one request of --prompt or --chat-file.
v1::GenerateRequest client_request(const ClientOptions& options);

// A file of --batch: a request a line, in memory one at a time. What a line does not say is as the flags say.
class BatchFile {
 public:
  struct Line {
    Chat::Json id;  // as the line has it, a text or a whole number; null: it has none
    v1::GenerateRequest request;
  };

  explicit BatchFile(const ClientOptions& options);
  // The next line that is not blank. Refuses what is no request, by file and line.
  std::optional<Line> next();
  // Reads a file from its beginning to its end and begins anew: how many requests it has, all of them good. A pipe can be
  // read once only: 0.
  int64_t check();

 private:
  Line parse(const std::string& text) const;

  const ClientOptions& options_;
  const std::string name_;  // for sentences
  std::ifstream file_;
  int64_t number_ = 0;  // of the line last read
};

}  // namespace weft
