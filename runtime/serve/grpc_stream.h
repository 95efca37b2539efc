#pragma once
// The streaming calls of the gRPC front. Only grpc_*.cpp include this.
#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/serve/coordinator.h"
#include "runtime/serve/text_front.h"
#include "runtime/serve/work_pool.h"

namespace weft {

// What every call works with.
struct CallContext {
  Coordinator& coordinator;
  const TextFront& text;
  WorkPool& pool;
  std::chrono::milliseconds reader_timeout;  // a message that the client has not taken after it ends the stream
};

// One Generate or GenerateBatch. Its request is read on the pool. Then it writes what the coordinator has for its requests,
// one message at a time and as fast as the client reads; what arrives meanwhile is joined to the next message. A batch that
// finds no room for all its requests submits the rest as its first ones are written to their end. The notify functions of its
// requests share it: they may outlive the call.
class StreamCall final : public grpc::ServerWriteReactor<grpc::ByteBuffer>, public std::enable_shared_from_this<StreamCall> {
 public:
  enum class Kind { single, batch };

  // What goes wrong becomes the call's status.
  static StreamCall* start(Kind kind, grpc::CallbackServerContext& context, const grpc::ByteBuffer& request,
                           const CallContext& with);

  StreamCall(Kind kind, grpc::CallbackServerContext& context, const CallContext& with)
      : kind_(kind), context_(context), with_(with) {}

 private:
  struct Item {
    int index = 0;
    uint64_t seed = 0;
    RequestId id = 0;  // 0: not submitted yet
    bool open = true;
  };

  void begin(const grpc::ByteBuffer& request);
  void read(const grpc::ByteBuffer& request);
  void open(const grpc::Status& status);
  void submit(RequestId in_place_of);
  void leave(RequestId id);
  std::vector<Item> drop_waiting();
  void pump();
  void collect();
  void write_delta(const Item& item, const Delta& delta);
  void write_error(int index, const ServeError& error);
  void watch_reader();
  void check_reader();
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  const Kind kind_;
  grpc::CallbackServerContext& context_;  // until OnDone
  const CallContext with_;
  std::mutex mutex_;
  std::vector<Item> items_;               // those submitted first
  size_t submitted_ = 0, next_item_ = 0;  // next_item_: whose turn it is
  std::deque<Generation> waiting_;        // of the items not submitted yet
  std::deque<grpc::ByteBuffer> out_;      // to be written
  grpc::ByteBuffer writing_now_;
  RequestId leaving_ = 0;  // whose last message is being written
  std::chrono::system_clock::time_point writing_since_;
  std::unique_ptr<grpc::Alarm> reader_watch_;  // from the first write on
  bool started_ = false, writing_ = false, finished_ = false, cancelled_ = false;
  grpc::Status status_;
  std::shared_ptr<StreamCall> self_;  // until OnDone
};

}  // namespace weft
