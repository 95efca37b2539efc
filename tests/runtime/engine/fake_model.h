#pragma once
// A Model whose logits are a hash of the whole history, read back from the KV cache: any error in positions,
// slots, block tables, row order or cache reuse changes them.
#include <bit>
#include <cmath>
#include <optional>

#include "kernels/core/check.h"
#include "runtime/models/model.h"

namespace weft {

struct FakeFaults {
  std::optional<int32_t> throw_on_token, nan_on_token;
  int rank = 0;  // where it throws
};

class FakeModel final : public Model {
 public:
  static constexpr int64_t kVocab = 23;
  static constexpr int32_t kEos = 22;

  explicit FakeModel(FakeFaults faults = {}) : faults_(faults) {
    config_.model_type = "fake";
    config_.vocab_size = kVocab;
    config_.n_layers = 2;
    config_.n_heads = config_.n_kv_heads = 3;
    config_.head_dim = 2;
    config_.max_position_embeddings = 100;
    config_.eos_token_ids = {kEos};
  }

  const ModelConfig& config() const override { return config_; }
  int kv_heads() const override { return 3; }
  int64_t weight_bytes() const override { return 0; }
  const RouterStats* router_stats() const override { return nullptr; }
  int64_t workspace(const StepLimits&, int, Arithmetic, int) const override { return 0; }

  void forward(Tensor logits, const StepInput& step, std::span<const PagedKv> kv, Parallel& p) override {
    for (int64_t row = 0; row < step.ids.dim(0); ++row) {
      const int32_t token = step.ids.as<int32_t>()[row];
      if (token == faults_.throw_on_token && p.comm.rank() == faults_.rank) throw std::runtime_error("fake fault");
      *cell(kv, step.slots.as<int32_t>()[row]) = static_cast<float>(token + 1);
    }
    size_t sequence = 0;
    for (int64_t i = 0; i < step.logit_rows.dim(0); ++i) {
      const int32_t row = step.logit_rows.as<int32_t>()[i];
      while (step.batch.row_offsets[sequence + 1] <= row) ++sequence;
      const uint64_t h = history(step, sequence, row, kv);
      check_equal_on_all_ranks(h, p.comm);
      if (logits.data) write_logits(logits.slice(i, i + 1).as<float>(), h, step.ids.as<int32_t>()[row]);
    }
  }

 private:
  float* cell(std::span<const PagedKv> kv, int64_t slot) const {
    const int64_t size = kv[1].block_size();  // one value a position: last layer, last head, last element
    return kv[1].v.as<float>() + ((slot / size * 3 + 2) * size + slot % size) * 2 + 1;
  }

  uint64_t history(const StepInput& step, size_t sequence, int32_t row, std::span<const PagedKv> kv) const {
    const int32_t position = step.positions.as<int32_t>()[row];
    const int32_t last = step.batch.context_len[sequence] - (step.batch.row_offsets[sequence + 1] - row);
    WEFT_CHECK_EQ(position, last);
    const int32_t* table = step.batch.block_table.as<int32_t>() + sequence * step.batch.block_table.dim(1);
    uint64_t h = 17;
    for (int32_t i = 0; i <= position; ++i) {
      const int64_t size = kv[0].block_size();
      h = (h ^ std::bit_cast<uint32_t>(*cell(kv, table[i / size] * size + i % size))) * 0x9e3779b97f4a7c15u;
      h ^= h >> 31;
    }
    return h;
  }

  void write_logits(float* out, uint64_t h, int32_t token) const {
    for (int64_t j = 0; j < kVocab; ++j) {
      h = (h + 1) * 0xbf58476d1ce4e5b9u;
      out[j] = token == faults_.nan_on_token ? std::nanf("") : static_cast<float>(h >> 40) / (1 << 20);
    }
  }

  static void check_equal_on_all_ranks(uint64_t h, Communicator& comm) {
    std::vector<uint64_t> all(comm.size());
    const std::vector<int64_t> counts(comm.size(), sizeof h);
    comm.all_gather_v(std::as_writable_bytes(std::span(all)), std::as_bytes(std::span(&h, 1)), counts);
    for (const uint64_t other : all) WEFT_CHECK_EQ(other, h);
  }

  ModelConfig config_;
  FakeFaults faults_;
};

}  // namespace weft
