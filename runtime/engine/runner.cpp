#include "runtime/engine/runner.h"

#include <algorithm>

#include "parallel/sample_tp.h"

namespace weft {

Runner::Runner(const Model& model, KvCache& kv, Parallel parallel, const StepLimits& limits, int64_t max_seqs,
               int64_t max_blocks_per_seq)
    : model_(model),
      kv_(kv),
      parallel_(parallel),
      limits_(limits),
      max_blocks_(max_blocks_per_seq),
      n_blocks_(kv.layers()[0].k.dim(0)),
      block_size_(kv.layers()[0].block_size()),
      slice_(vocab_slice(model.info.vocab_size, parallel.tp).size()),
      logits_(limits.max_rows * slice_ * static_cast<int64_t>(sizeof(float))) {
  for (auto* rows : {&ids_, &positions_, &slots_}) rows->reserve(limits.max_tokens);
  logit_rows_.reserve(limits.max_rows);
  row_offsets_.reserve(max_seqs + 1);
  context_len_.reserve(max_seqs);
  block_table_.reserve(max_seqs * max_blocks_per_seq);
}

Tensor Runner::run(const StepPlan& plan) {
  flatten(plan);
  const auto vector = [](std::vector<int32_t>& v) { return Tensor(v.data(), {static_cast<int64_t>(v.size())}); };
  const int64_t sequences = static_cast<int64_t>(plan.chunks.size()), rows = static_cast<int64_t>(logit_rows_.size());
  const Tensor table(block_table_.data(), {sequences, static_cast<int64_t>(block_table_.size()) / sequences});
  const Tensor logits(logits_.data(), DType::f32, {rows, slice_});
  model_.forward(logits,
                 StepInput{.ids = vector(ids_),
                           .positions = vector(positions_),
                           .slots = vector(slots_),
                           .batch = {vector(row_offsets_), vector(context_len_), table},
                           .logit_rows = vector(logit_rows_),
                           .expert_capacity = limits_.expert_capacity},
                 kv_.layers(), parallel_);
  for (RouterStats& layer : model_.weights->routers) layer.collect();
  return logits;
}

void Runner::flatten(const StepPlan& plan) {
  WEFT_CHECK(!plan.chunks.empty() && static_cast<int64_t>(plan.tokens.size()) <= limits_.max_tokens, plan.chunks.size(),
             " chunks, ", plan.tokens.size(), " rows");
  for (auto* v : {&positions_, &slots_, &context_len_, &block_table_, &logit_rows_}) v->clear();
  row_offsets_.assign(1, 0);
  ids_.assign(plan.tokens.begin(), plan.tokens.end());
  size_t width = 1;
  for (const auto& chunk : plan.chunks) width = std::max(width, chunk.blocks.size());
  WEFT_CHECK(static_cast<int64_t>(width) <= max_blocks_, width, " blocks in a sequence");
  for (const auto& chunk : plan.chunks) {
    flatten_chunk(chunk, row_offsets_.back());
    block_table_.insert(block_table_.end(), chunk.blocks.begin(), chunk.blocks.end());
    block_table_.resize(context_len_.size() * width, 0);
  }
  WEFT_CHECK_EQ(positions_.size(), ids_.size());
  WEFT_CHECK(static_cast<int64_t>(logit_rows_.size()) <= limits_.max_rows, logit_rows_.size(), " logit rows");
}

void Runner::flatten_chunk(const StepPlan::Chunk& chunk, int64_t first_row) {
  const int64_t end = int64_t{chunk.start} + chunk.n_tokens, size = block_size_;
  WEFT_CHECK(chunk.start >= 0 && chunk.n_tokens > 0 && end <= static_cast<int64_t>(chunk.blocks.size()) * size, "chunk [",
             chunk.start, ", ", end, ") in ", chunk.blocks.size(), " blocks");
  for (const int32_t block : chunk.blocks) WEFT_CHECK(block >= 0 && block < n_blocks_, "block ", block, " of ", n_blocks_);
  for (int64_t position = chunk.start; position < end; ++position) {
    positions_.push_back(static_cast<int32_t>(position));
    slots_.push_back(static_cast<int32_t>(chunk.blocks[position / size] * size + position % size));
    if (chunk.all_logits || (chunk.logits && position + 1 == end))
      logit_rows_.push_back(static_cast<int32_t>(first_row + position - chunk.start));
  }
  row_offsets_.push_back(static_cast<int32_t>(first_row + chunk.n_tokens));
  context_len_.push_back(static_cast<int32_t>(end));
}

}  // namespace weft
