#pragma once
// The streaming calls of the gRPC front. Only grpc_*.cpp include this.
#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/serve/conversions.h"
#include "runtime/serve/coordinator.h"
#include "runtime/serve/text_front.h"

namespace weft {

grpc::Status to_status(const ServeError& error);

// We parse requests ourselves: gRPC answers UNIMPLEMENTED to one it cannot parse, such as one whose text is
// not UTF-8. Throws ServeError invalid_argument.
void parse(const grpc::ByteBuffer& bytes, google::protobuf::Message& message);
grpc::ByteBuffer serialise(const google::protobuf::Message& message);

std::vector<int32_t> encode_chat(const v1::Chat& chat, const TextFront& text);  // throws InputError
// Tokenized and checked. Throws ServeError.
Generation to_generation(const v1::GenerateRequest& request, const Coordinator& coordinator, const TextFront& text);

// One Generate or GenerateBatch. Writes what the coordinator has for its requests, one message at a time and
// as fast as the client reads; what arrives meanwhile is joined to the next message. The notify functions of
// its requests share it: they may outlive the call.
class StreamCall final : public grpc::ServerWriteReactor<grpc::ByteBuffer>, public std::enable_shared_from_this<StreamCall> {
 public:
  enum class Kind { single, batch };

  // Parses, submits and streams; what goes wrong becomes the call's status.
  static StreamCall* start(Kind kind, const grpc::CallbackServerContext& context, const grpc::ByteBuffer& request,
                           Coordinator& coordinator, const TextFront& text);

  StreamCall(Kind kind, Coordinator& coordinator) : kind_(kind), coordinator_(coordinator) {}

 private:
  struct Item {
    int index = 0;
    uint64_t seed = 0;
    RequestId id = 0;
    bool open = true;
  };

  void submit(const grpc::CallbackServerContext& context, const grpc::ByteBuffer& request, const TextFront& text);
  void pump();
  void collect();
  void write_delta(const Item& item, const Delta& delta);
  void write_error(int index, const ServeError& error);
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  const Kind kind_;
  Coordinator& coordinator_;
  std::mutex mutex_;
  std::vector<Item> items_;
  size_t next_item_ = 0;              // whose turn it is
  std::deque<grpc::ByteBuffer> out_;  // to be written
  grpc::ByteBuffer writing_now_;
  bool started_ = false, writing_ = false, finished_ = false;
  grpc::Status status_;
  std::shared_ptr<StreamCall> self_;  // until OnDone
};

}  // namespace weft
