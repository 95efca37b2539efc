#pragma once
// The residual stream of this rank's rows in one step. `h += y` is remembered; the norm that reads h next adds y in the same
// pass over memory.
#include <array>
#include <optional>

#include "runtime/layers/step.h"

namespace weft {

class Stream;

// One of the stream's buffers, (own rows, hidden): what a norm or a sublayer returns. It is free again once the lane is gone or
// was added to the stream.
class Lane {
 public:
  Lane(Lane&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)), index_(other.index_) {}
  Lane& operator=(Lane&& other) noexcept;
  ~Lane();

  operator Tensor() const&;         // NOLINT: a lane is a tensor wherever one is read or written
  operator Tensor() && = delete;    // a view of a lane that is gone
  [[nodiscard]] Lane another() const;  // a free one of the same stream
  Step& step() const;

 private:
  friend class Stream;
  Lane(Stream& stream, size_t index) : stream_(&stream), index_(index) {}
  Stream* stream_;
  size_t index_;
};

class Stream {
 public:
  Stream(Step& step, int64_t hidden);  // in the workspace; the first block fills sum()
  Stream(const Stream&) = delete;

  void operator+=(Lane y);
  [[nodiscard]] Lane lane();  // a free one; its values are whatever was there
  Step& step() const { return step_; }

  // For who reads the stream: what is to be added first, if anything, and the stream without it.
  std::optional<Lane> take_pending() { return std::exchange(pending_, std::nullopt); }
  Tensor sum() const { return h_; }

 private:
  friend class Lane;
  // What a sublayer reads, and what it returns.
  static constexpr size_t kLanes = 2;

  Step& step_;
  Tensor h_;
  std::array<Tensor, kLanes> lanes_;
  std::array<bool, kLanes> taken_{};
  std::optional<Lane> pending_;  // last: a lane frees itself in taken_
};

}  // namespace weft
