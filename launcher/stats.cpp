// `weft stats`: what a server says of itself, as lines for people or JSON.
#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "kernels/core/check.h"
#include "launcher/channel.h"
#include "launcher/serve_commands.h"
#include "weft/v1/weft.grpc.pb.h"

namespace weft {
namespace {

using json = nlohmann::ordered_json;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Every field under its own name. Protobuf's own JSON has 64-bit integers as strings.
json to_json(const Message& message) {
  const auto& reflect = *message.GetReflection();
  json object = json::object();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    json& value = object[field->name()];
    if (field->is_repeated()) {
      value = json::array();
      for (int j = 0; j < reflect.FieldSize(message, field); ++j)
        value.push_back(reflect.GetRepeatedInt64(message, field, j));
      continue;
    }
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE: value = to_json(reflect.GetMessage(message, field)); break;
      case FieldDescriptor::CPPTYPE_STRING: value = reflect.GetString(message, field); break;
      case FieldDescriptor::CPPTYPE_DOUBLE: value = reflect.GetDouble(message, field); break;
      case FieldDescriptor::CPPTYPE_BOOL: value = reflect.GetBool(message, field); break;
      case FieldDescriptor::CPPTYPE_INT32: value = reflect.GetInt32(message, field); break;
      default: value = reflect.GetInt64(message, field);
    }
  }
  return object;
}

// "running 3, waiting 0, ..." of all numbers in an object; what is always zero on this server says nothing.
std::string line_of(const json& object, bool zeros) {
  std::string line;
  for (const auto& [name, value] : object.items()) {
    if (!value.is_number_integer() || (!zeros && value == 0)) continue;
    std::string words = name;
    std::replace(words.begin(), words.end(), '_', ' ');
    line += cat(line.empty() ? "" : ", ", words, " ", value.dump());
  }
  return line;
}

void print(const v1::GetStatsResponse& now, const v1::GetStatsResponse* before) {
  std::printf("%s for %.0f s", now.state().c_str(), now.uptime_s());
  if (before && now.uptime_s() > before->uptime_s())
    std::printf("; %.1f tokens/s", static_cast<double>(now.tokens_generated() - before->tokens_generated()) /
                                       (now.uptime_s() - before->uptime_s()));
  std::printf("\n  %s\n  engine: %s\n", line_of(to_json(now), true).c_str(), line_of(to_json(now.engine()), false).c_str());
  if (now.engine().tokens_per_expert_size() > 0) {
    std::printf("  tokens per expert:");
    for (const int64_t tokens : now.engine().tokens_per_expert()) std::printf(" %lld", static_cast<long long>(tokens));
    std::printf("\n");
  }
}

}  // namespace

int run_stats(const StatsOptions& options) {
  const auto stub = v1::Weft::NewStub(connect_to_server(options.target));
  v1::GetStatsResponse before;
  for (bool first = true;; first = false) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    v1::GetStatsResponse now;
    if (const grpc::Status status = stub->GetStats(&context, {}, &now); !status.ok()) fail_call(status, options.target);
    if (options.json)
      std::printf("%s\n", to_json(now).dump().c_str());
    else
      print(now, first ? nullptr : &before);
    if (options.watch_s <= 0 || std::fflush(stdout) != 0) return 0;
    before = now;
    std::this_thread::sleep_for(std::chrono::duration<double>(options.watch_s));
  }
}

}  // namespace weft
