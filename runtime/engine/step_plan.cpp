#include "runtime/engine/step_plan.h"

#include <cstring>
#include <type_traits>

#include "kernels/core/check.h"

// Message (native byte order, all ranks run the same binary):
//   u64 step, u8 stop, u32 tokens, u32 chunks, i32 ids[tokens], then for each chunk
//   i32 sequence, i32 start, i32 n_tokens, u8 flags (1 draw, 2 echo, 4 all logits), i32 first block, u32 blocks, i32 blocks[]
//   then u32 begins, and for each: i32 sequence, SamplingParams, i32 n_generated, u32 ids, i32 ids[]
namespace weft {
namespace {

constexpr uint8_t kDraw = 1, kEcho = 2, kAllLogits = 4;
constexpr size_t kHeaderBytes = 21, kChunkBytes = 21, kBeginBytes = 12 + sizeof(SamplingParams);  // without arrays

class Writer {
 public:
  explicit Writer(std::span<std::byte> out) : out_(out) {}
  template <class T>
  void value(T v) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes(&v, sizeof v);
  }
  void array(const std::vector<int32_t>& v) { bytes(v.data(), v.size() * sizeof(int32_t)); }

 private:
  void bytes(const void* data, size_t n) {
    if (n > 0) std::memcpy(out_.data(), data, n);
    out_ = out_.subspan(n);
  }
  std::span<std::byte> out_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> in) : in_(in) {}
  template <class T>
  T value() {
    T v;
    std::memcpy(&v, take(sizeof v).data(), sizeof v);
    return v;
  }
  // The length is compared with what is left before anything is allocated.
  std::vector<int32_t> array(size_t n) {
    WEFT_CHECK(n <= in_.size() / sizeof(int32_t), "plan of ", in_.size(), " more bytes announces ", n, " ids");
    const std::span<const std::byte> from = take(n * sizeof(int32_t));
    std::vector<int32_t> v(n);
    if (n > 0) std::memcpy(v.data(), from.data(), from.size());
    return v;
  }
  size_t left() const { return in_.size(); }

 private:
  std::span<const std::byte> take(size_t n) {
    WEFT_CHECK(n <= in_.size(), "plan ends early: ", n, " bytes wanted, ", in_.size(), " left");
    const auto taken = in_.first(n);
    in_ = in_.subspan(n);
    return taken;
  }
  std::span<const std::byte> in_;
};

}  // namespace

std::vector<std::byte> StepPlan::serialise() const {
  size_t ids = tokens.size();
  for (const Chunk& chunk : chunks) ids += chunk.new_blocks.size();
  for (const Begin& begin : begins) ids += begin.ids.size();
  std::vector<std::byte> message(kHeaderBytes + kChunkBytes * chunks.size() + kBeginBytes * begins.size() +
                                 ids * sizeof(int32_t));
  Writer out(message);
  out.value(step);
  out.value(uint8_t{stop});
  out.value(static_cast<uint32_t>(tokens.size()));
  out.value(static_cast<uint32_t>(chunks.size()));
  out.array(tokens);
  for (const Chunk& chunk : chunks) {
    out.value(chunk.sequence);
    out.value(chunk.start);
    out.value(chunk.n_tokens);
    out.value(
        static_cast<uint8_t>((chunk.draw ? kDraw : 0) | (chunk.echo ? kEcho : 0) | (chunk.all_logits ? kAllLogits : 0)));
    out.value(chunk.first_block);
    out.value(static_cast<uint32_t>(chunk.new_blocks.size()));
    out.array(chunk.new_blocks);
  }
  out.value(static_cast<uint32_t>(begins.size()));
  for (const Begin& begin : begins) {
    out.value(begin.sequence);
    out.value(begin.sampling);
    out.value(begin.n_generated);
    out.value(static_cast<uint32_t>(begin.ids.size()));
    out.array(begin.ids);
  }
  return message;
}

StepPlan StepPlan::deserialise(std::span<const std::byte> message) {
  Reader in(message);
  StepPlan plan;
  plan.step = in.value<uint64_t>();
  const auto stop = in.value<uint8_t>();
  WEFT_CHECK(stop <= 1, "plan flag ", int{stop});
  plan.stop = stop != 0;
  const auto n_tokens = in.value<uint32_t>(), n_chunks = in.value<uint32_t>();
  plan.tokens = in.array(n_tokens);
  WEFT_CHECK(n_chunks <= in.left() / kChunkBytes, "plan of ", in.left(), " more bytes announces ", n_chunks, " chunks");
  plan.chunks.resize(n_chunks);
  int64_t rows = 0;
  for (Chunk& chunk : plan.chunks) {
    chunk.sequence = in.value<int32_t>();
    chunk.start = in.value<int32_t>();
    chunk.n_tokens = in.value<int32_t>();
    WEFT_CHECK(chunk.sequence >= 0 && chunk.start >= 0 && chunk.n_tokens > 0, "chunk of ", chunk.n_tokens, " tokens at ",
               chunk.start);
    rows += chunk.n_tokens;
    const auto flags = in.value<uint8_t>();
    WEFT_CHECK(flags <= (kDraw | kEcho | kAllLogits), "chunk flags ", int{flags});
    chunk.draw = flags & kDraw;
    chunk.echo = flags & kEcho;
    chunk.all_logits = flags & kAllLogits;
    chunk.first_block = in.value<int32_t>();
    chunk.new_blocks = in.array(in.value<uint32_t>());
  }
  WEFT_CHECK(rows == n_tokens, rows, " rows in chunks, ", n_tokens, " tokens");
  const auto n_begins = in.value<uint32_t>();
  WEFT_CHECK(n_begins <= in.left() / kBeginBytes, "plan of ", in.left(), " more bytes announces ", n_begins, " begins");
  plan.begins.resize(n_begins);
  for (Begin& begin : plan.begins) {
    begin.sequence = in.value<int32_t>();
    begin.sampling = in.value<SamplingParams>();
    begin.n_generated = in.value<int32_t>();
    begin.ids = in.array(in.value<uint32_t>());
    WEFT_CHECK(begin.sequence >= 0, "sequence ", begin.sequence);
  }
  WEFT_CHECK(in.left() == 0, in.left(), " bytes after the plan");
  return plan;
}

}  // namespace weft
