#pragma once
// A Model whose logits are a hash of the whole history, read back from the KV cache: any error in positions,
// slots, block tables, row order or cache reuse changes them.
#include <bit>
#include <cmath>
#include <optional>

#include "kernels/core/check.h"
#include "parallel/sample_tp.h"
#include "runtime/models/model.h"

namespace weft {

struct FakeFaults {
  std::optional<int32_t> throw_on_token, nan_on_token;
  int rank = 0;  // where it throws
};

// The one block of the model.
class FakeBlock final : public Block {
 public:
  static constexpr int64_t kVocab = 23;
  static constexpr int32_t kEos = 22;
  static constexpr int64_t kHeads = 3;
  static constexpr int64_t kNan = 13;  // the logit of nan_on_token that is not finite

  explicit FakeBlock(FakeFaults faults) : faults_(faults) {}

  void operator()(Stream& h) const override {
    const Step& s = h.step();
    const StepInput& step = s.in;
    if (s.p.context.dry()) return;
    for (int64_t row = 0; row < step.ids.dim(0); ++row) {
      const int32_t token = step.ids.as<int32_t>()[row];
      if (token == faults_.throw_on_token && s.p.tp.rank() == faults_.rank) throw std::runtime_error("fake fault");
      *cell(s.kv, step.slots.as<int32_t>()[row]) = static_cast<float>(token + 1);
    }
    size_t sequence = 0;
    for (int64_t i = 0; i < step.logit_rows.dim(0); ++i) {
      const int32_t row = step.logit_rows.as<int32_t>()[i];
      while (step.batch.row_offsets.as<int32_t>()[sequence + 1] <= row) ++sequence;
      const uint64_t hash = history(step, sequence, row, s.kv);
      check_equal_on_all_ranks(hash, s.p.tp);
      write_logits(s.logits.slice(i, i + 1).as<float>(), vocab_slice(kVocab, s.p.tp), hash, step.ids.as<int32_t>()[row]);
    }
  }

 private:
  float* cell(std::span<const PagedKv> kv, int64_t slot) const {
    const int64_t size = kv[1].block_size();  // one value a position: last layer, last head, last element
    return kv[1].v.as<float>() + ((slot / size * kHeads + 2) * size + slot % size) * 2 + 1;
  }

  uint64_t history(const StepInput& step, size_t sequence, int32_t row, std::span<const PagedKv> kv) const {
    const int32_t position = step.positions.as<int32_t>()[row];
    const int32_t last =
        step.batch.context_len.as<int32_t>()[sequence] - (step.batch.row_offsets.as<int32_t>()[sequence + 1] - row);
    WEFT_CHECK_EQ(position, last);
    const int32_t* table =
        step.batch.block_table.as<int32_t>() + step.batch.table_rows.as<int32_t>()[sequence] * step.batch.block_table.dim(1);
    uint64_t h = 17;
    for (int32_t i = 0; i <= position; ++i) {
      const int64_t size = kv[0].block_size();
      h = (h ^ std::bit_cast<uint32_t>(*cell(kv, table[i / size] * size + i % size))) * 0x9e3779b97f4a7c15u;
      h ^= h >> 31;
    }
    return h;
  }

  void write_logits(float* out, Range slice, uint64_t h, int32_t token) const {
    for (int64_t j = 0; j < kVocab; ++j) {
      h = (h + 1) * 0xbf58476d1ce4e5b9u;
      if (j >= slice.begin && j < slice.end)
        out[j - slice.begin] =
            token == faults_.nan_on_token && j == kNan ? std::nanf("") : static_cast<float>(h >> 40) / (1 << 20);
    }
  }

  static void check_equal_on_all_ranks(uint64_t h, Communicator& comm) {
    std::vector<uint64_t> all(comm.size());
    const std::vector<int64_t> counts(comm.size(), sizeof h);
    comm.all_gather_v(std::as_writable_bytes(std::span(all)), std::as_bytes(std::span(&h, 1)), counts);
    for (const uint64_t other : all) WEFT_CHECK_EQ(other, h);
  }

  FakeFaults faults_;
};

inline Model fake_model(FakeFaults faults = {}) {
  Model model;
  model.info = {.model_type = "fake",
                .vocab_size = FakeBlock::kVocab,
                .n_layers = 2,
                .max_position_embeddings = 100,
                .trained_length = 100,
                .eos_token_ids = {FakeBlock::kEos}};
  model.paged.assign(2, {Dim::whole(FakeBlock::kHeads), 2, 2});
  model.stack.push_back(std::make_unique<FakeBlock>(faults));
  return model;
}

}  // namespace weft
