#include "runtime/serve/grpc_stream.h"

#include <grpc/grpc.h>

#include <utility>

#include "kernels/core/check.h"
#include "runtime/serve/grpc_calls.h"
#include "runtime/serve/request_log.h"

namespace weft {
namespace {

using std::chrono::system_clock;

constexpr int max_batch = 1024;

ServeClock::time_point deadline_of(const grpc::CallbackServerContext& context) {
  const system_clock::time_point deadline = context.deadline();
  const auto left = deadline - system_clock::now();
  if (left > std::chrono::hours(24 * 365)) return ServeClock::time_point::max();  // "none" is a date far away
  return ServeClock::now() + std::chrono::duration_cast<ServeClock::duration>(left);
}

}  // namespace

StreamCall* StreamCall::start(Kind kind, grpc::CallbackServerContext& context, const grpc::ByteBuffer& request,
                              const CallContext& with) {
  const auto call = std::make_shared<StreamCall>(kind, context, with);
  call->self_ = call;
  if (!with.pool.run(request.Length(), [call, request] { call->begin(request); })) call->open(too_busy());
  return call.get();
}

void StreamCall::begin(const grpc::ByteBuffer& request) {
  grpc::Status status;
  try {
    read(request);
  } catch (const ServeError& e) {
    status = to_status(e);
  } catch (const std::exception& e) {
    status = {grpc::StatusCode::INTERNAL, e.what()};
  }
  open(status);
}

// Nothing is written before.
void StreamCall::open(const grpc::Status& status) {
  if (!status.ok())
    log_refused(kind_ == Kind::single ? "request" : "batch",
                {static_cast<ServeCode>(status.error_code()), status.error_message()});
  {
    std::lock_guard lock(mutex_);
    status_ = status;
    if (!status.ok()) {
      items_.clear();
      waiting_.clear();
    }
    started_ = true;
  }
  pump();
}

void StreamCall::read(const grpc::ByteBuffer& bytes) {
  v1::GenerateBatchRequest batch;
  if (kind_ == Kind::single)
    parse(bytes, *batch.add_requests());
  else
    parse(bytes, batch);
  if (batch.requests().empty() || batch.requests_size() > max_batch)
    throw ServeError(ServeCode::invalid_argument,
                     cat("the batch has ", batch.requests_size(), " requests; it must have 1 to ", max_batch));

  std::deque<Generation> wanted;
  std::vector<Item> items;
  const auto reader = std::make_shared<Reader>();
  for (int i = 0; i < batch.requests_size() && !context_.IsCancelled(); ++i) {
    try {
      wanted.push_back(to_generation(batch.requests(i), with_.coordinator, with_.text));
    } catch (const ServeError& e) {
      if (kind_ == Kind::single || e.code() == ServeCode::unavailable) throw;
      log_refused("request of a batch", e);
      write_error(i, e);
      continue;
    }
    wanted.back().deadline = deadline_of(context_);
    wanted.back().reader = reader;
    wanted.back().notify = [call = shared_from_this()] { call->pump(); };
    items.push_back({.index = i, .seed = wanted.back().sampling.seed});
  }
  std::lock_guard lock(mutex_);
  if (cancelled_ || wanted.empty()) return;
  waiting_ = std::move(wanted);
  items_ = std::move(items);
  submit(0);
}

void StreamCall::submit(RequestId in_place_of) {
  for (const RequestId id : with_.coordinator.submit(waiting_, in_place_of)) items_[submitted_++].id = id;
}

// Starts the next operation of the call unless one is under way: a write, or at the end Finish.
void StreamCall::pump() {
  std::unique_lock lock(mutex_);
  if (!started_ || writing_ || finished_) return;
  if (out_.empty()) collect();
  if (!out_.empty()) {
    writing_ = true;
    writing_since_ = system_clock::now();
    if (!reader_watch_) watch_reader();
    writing_now_ = std::move(out_.front());
    out_.pop_front();
    lock.unlock();
    StartWrite(&writing_now_);
    return;
  }
  for (const Item& item : items_)
    if (item.open) return;
  finished_ = true;
  lock.unlock();
  Finish(status_);
}

// Takes one message from the first request, after the last one that had its turn, that has news.
void StreamCall::collect() {
  for (size_t n = 0; n < submitted_; ++n) {
    Item& item = items_[next_item_ % submitted_];
    next_item_ = (next_item_ + 1) % submitted_;
    if (!item.open) continue;
    const std::optional<Delta> delta = with_.coordinator.take(item.id);
    if (!delta) continue;
    if (delta->last) {
      item.open = false;
      leaving_ = item.id;
    }
    write_delta(item, *delta);
    if (!out_.empty()) return;
  }
}

void StreamCall::write_delta(const Item& item, const Delta& delta) {
  if (delta.error) {
    if (kind_ == Kind::single)
      status_ = to_status(*delta.error);
    else
      write_error(item.index, *delta.error);
    return;
  }
  v1::GenerateResponse response = to_proto(delta, item.seed);
  if (kind_ == Kind::single) {
    out_.push_back(serialise(response));
    return;
  }
  v1::GenerateBatchResponse message;
  message.set_index(item.index);
  *message.mutable_response() = std::move(response);
  out_.push_back(serialise(message));
}

void StreamCall::write_error(int index, const ServeError& error) {
  v1::GenerateBatchResponse message;
  message.set_index(index);
  message.mutable_error()->set_code(static_cast<int>(error.code()));
  message.mutable_error()->set_message(error.what());
  out_.push_back(serialise(message));
}

// Looks again when the message under way is due.
void StreamCall::watch_reader() {
  reader_watch_ = std::make_unique<grpc::Alarm>();
  reader_watch_->Set(writing_since_ + with_.reader_timeout, [call = shared_from_this()](bool due) {
    if (due) call->check_reader();
  });
}

// A status that waits its turn behind a message nobody takes would never arrive: the call is cancelled with it.
void StreamCall::check_reader() {
  std::unique_lock lock(mutex_);
  if (!writing_) return reader_watch_.reset();
  if (system_clock::now() < writing_since_ + with_.reader_timeout) return watch_reader();
  grpc_call* const call = context_.c_call();
  grpc_call_ref(call);
  lock.unlock();
  const std::string sentence = cat("the client took nothing for ", with_.reader_timeout.count() / 1000.0, " seconds");
  grpc_call_cancel_with_status(call, GRPC_STATUS_RESOURCE_EXHAUSTED, sentence.c_str(), nullptr);
  grpc_call_unref(call);
}

void StreamCall::OnWriteDone(bool ok) {
  {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (!ok) out_.clear();  // the client is gone: OnCancel ends the requests
    if (const RequestId id = std::exchange(leaving_, 0)) leave(id);
  }
  pump();
}

// A request whose last message is written makes room for those of its batch that wait.
void StreamCall::leave(RequestId id) {
  if (waiting_.empty()) return with_.coordinator.release(id);
  try {
    submit(id);
  } catch (const ServeError& e) {  // the server is shutting down
    log_refused("rest of a batch", e);
    for (const Item& item : drop_waiting()) write_error(item.index, e);
  }
}

// Gives up those that wait, and returns them.
std::vector<StreamCall::Item> StreamCall::drop_waiting() {
  std::vector<Item> dropped(items_.begin() + static_cast<ptrdiff_t>(submitted_), items_.end());
  items_.resize(submitted_);
  waiting_.clear();
  return dropped;
}

void StreamCall::OnCancel() {
  std::vector<RequestId> ids;
  {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    drop_waiting();
    for (const Item& item : items_)
      if (item.open) ids.push_back(item.id);
  }
  for (const RequestId id : ids) with_.coordinator.cancel(id);
}

void StreamCall::OnDone() {
  const std::shared_ptr<StreamCall> last = std::move(self_);
  std::lock_guard lock(mutex_);
  reader_watch_.reset();
  for (const Item& item : items_) with_.coordinator.release(item.id);
}

}  // namespace weft
