#include "runtime/serve/grpc_calls.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include "kernels/core/check.h"

namespace weft {
namespace {

constexpr int max_batch = 1024;

ServeClock::time_point deadline_of(const grpc::CallbackServerContext& context) {
  using std::chrono::system_clock;
  const system_clock::time_point deadline = context.deadline();
  const auto left = deadline - system_clock::now();
  if (left > std::chrono::hours(24 * 365)) return ServeClock::time_point::max();  // "none" is a date far away
  return ServeClock::now() + std::chrono::duration_cast<ServeClock::duration>(left);
}

std::vector<int32_t> prompt_of(const v1::GenerateRequest& request, const TextFront& text) {
  switch (request.prompt_case()) {
    case v1::GenerateRequest::kText: return text.encode(request.text());
    case v1::GenerateRequest::kTokenIds: return {request.token_ids().ids().begin(), request.token_ids().ids().end()};
    case v1::GenerateRequest::kChat: return encode_chat(request.chat(), text);
    case v1::GenerateRequest::PROMPT_NOT_SET: break;
  }
  bad_input("the request has no prompt; set one of text, token_ids and chat");
}

}  // namespace

grpc::Status to_status(const ServeError& error) { return {static_cast<grpc::StatusCode>(error.code()), error.what()}; }

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

std::vector<int32_t> encode_chat(const v1::Chat& chat, const TextFront& text) {
  std::vector<ChatMessage> messages;
  for (const v1::ChatMessage& m : chat.messages()) messages.push_back({m.role(), m.content()});
  return text.encode(messages);
}

Generation to_generation(const v1::GenerateRequest& request, const Coordinator& coordinator, const TextFront& text) try {
  Generation g;
  g.prompt = prompt_of(request, text);
  g.sampling = from_proto(request.sampling());
  if (request.has_max_tokens()) g.max_tokens = request.max_tokens();
  g.ignore_eos = request.ignore_eos();
  g.stop = {request.stop().begin(), request.stop().end()};
  g.cache_salt = request.cache_salt();
  coordinator.check(g);
  return g;
} catch (const InputError& e) {
  throw ServeError(ServeCode::invalid_argument, e.what());
}

StreamCall* StreamCall::start(Kind kind, const grpc::CallbackServerContext& context, const grpc::ByteBuffer& request,
                              Coordinator& coordinator, const TextFront& text) {
  const auto call = std::make_shared<StreamCall>(kind, coordinator);
  call->self_ = call;
  try {
    call->submit(context, request, text);
  } catch (const ServeError& e) {
    call->status_ = to_status(e);
  } catch (const std::exception& e) {
    call->status_ = {grpc::StatusCode::INTERNAL, e.what()};
  }
  {
    std::lock_guard lock(call->mutex_);
    call->started_ = true;
  }
  call->pump();
  return call.get();
}

void StreamCall::submit(const grpc::CallbackServerContext& context, const grpc::ByteBuffer& bytes, const TextFront& text) {
  v1::GenerateBatchRequest batch;
  if (kind_ == Kind::single)
    parse(bytes, *batch.add_requests());
  else
    parse(bytes, batch);
  if (batch.requests().empty() || batch.requests_size() > max_batch)
    throw ServeError(ServeCode::invalid_argument,
                     cat("the batch has ", batch.requests_size(), " requests; it must have 1 to ", max_batch));

  std::vector<Generation> wanted;
  std::vector<Item> items;
  for (int i = 0; i < batch.requests_size(); ++i) {
    try {
      wanted.push_back(to_generation(batch.requests(i), coordinator_, text));
    } catch (const ServeError& e) {
      if (kind_ == Kind::single || e.code() == ServeCode::unavailable) throw;
      write_error(i, e);
      continue;
    }
    wanted.back().deadline = deadline_of(context);
    wanted.back().notify = [call = shared_from_this()] { call->pump(); };
    items.push_back({.index = i, .seed = wanted.back().sampling.seed});
  }
  const std::vector<RequestId> ids = coordinator_.submit(std::move(wanted));
  for (size_t i = 0; i < ids.size(); ++i) items[i].id = ids[i];
  std::lock_guard lock(mutex_);
  items_ = std::move(items);
}

// Starts the next operation of the call unless one is under way: a write, or at the end Finish.
void StreamCall::pump() {
  std::unique_lock lock(mutex_);
  if (!started_ || writing_ || finished_) return;
  if (out_.empty()) collect();
  if (!out_.empty()) {
    writing_ = true;
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
  for (size_t n = 0; n < items_.size(); ++n) {
    Item& item = items_[next_item_];
    next_item_ = (next_item_ + 1) % items_.size();
    if (!item.open) continue;
    const std::optional<Delta> delta = coordinator_.take(item.id);
    if (!delta) continue;
    if (delta->last) {
      item.open = false;
      coordinator_.release(item.id);
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

void StreamCall::OnWriteDone(bool ok) {
  {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (!ok) out_.clear();  // the client is gone: OnCancel ends the requests
  }
  pump();
}

void StreamCall::OnCancel() {
  std::vector<RequestId> ids;
  {
    std::lock_guard lock(mutex_);
    for (const Item& item : items_)
      if (item.open) ids.push_back(item.id);
  }
  for (const RequestId id : ids) coordinator_.cancel(id);
}

void StreamCall::OnDone() {
  for (const Item& item : items_)
    if (item.open) coordinator_.release(item.id);
  const std::shared_ptr<StreamCall> last = std::move(self_);
}

}  // namespace weft
