#include "runtime/layers/stream.h"

namespace weft {

Lane& Lane::operator=(Lane&& other) noexcept {
  std::swap(stream_, other.stream_);
  std::swap(index_, other.index_);
  return *this;
}

Lane::~Lane() {
  if (stream_) stream_->taken_[index_] = false;
}

Lane::operator Tensor() const& { return stream_->lanes_[index_]; }
Lane Lane::another() const { return stream_->lane(); }
Step& Lane::step() const { return stream_->step(); }

Stream::Stream(Step& step, int64_t hidden) : step_(step) {
  const int64_t rows = step.shard.own.size();
  for (Tensor& lane : lanes_) lane = step.arena().tensor(DType::f32, {rows, hidden});
  h_ = step.arena().tensor(DType::f32, {rows, hidden});
}

void Stream::operator+=(Lane y) {
  WEFT_CHECK(!pending_, "two sums are pending");
  pending_ = std::move(y);
}

Lane Stream::lane() {
  for (size_t i = 0; i < kLanes; ++i)
    if (!taken_[i]) {
      taken_[i] = true;
      return Lane(*this, i);
    }
  WEFT_CHECK(false, "all ", kLanes, " lanes of the stream are in use");
  __builtin_unreachable();
}

}  // namespace weft
