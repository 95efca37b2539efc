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
      logits_(limits.max_rows * slice_ * static_cast<int64_t>(sizeof(float))),
      block_table_(max_seqs * max_blocks_per_seq * static_cast<int64_t>(sizeof(int32_t))) {
  for (auto* rows : {&ids_, &positions_, &slots_}) rows->reserve(limits.max_tokens);
  logit_rows_.reserve(limits.max_rows);
  row_offsets_.reserve(max_seqs + 1);
  context_len_.reserve(max_seqs);
  table_rows_.reserve(max_seqs);
  told_.resize(max_seqs);
}

Tensor Runner::run(const StepPlan& plan) {
  flatten(plan);
  const auto vector = [](std::vector<int32_t>& v) { return Tensor(v.data(), {static_cast<int64_t>(v.size())}); };
  const int64_t rows = static_cast<int64_t>(logit_rows_.size());
  const Tensor table(block_table_.data(), DType::i32, {std::ssize(told_), max_blocks_});
  const Tensor logits(logits_.data(), DType::f32, {rows, slice_});
  model_.forward(logits,
                 StepInput{.ids = vector(ids_),
                           .positions = vector(positions_),
                           .slots = vector(slots_),
                           .batch = {vector(row_offsets_), vector(context_len_), vector(table_rows_), table},
                           .logit_rows = vector(logit_rows_),
                           .expert_capacity = limits_.expert_capacity},
                 kv_.layers(), parallel_);
  for (RouterStats& layer : model_.weights->routers) layer.collect();
  return logits;
}

void Runner::flatten(const StepPlan& plan) {
  WEFT_CHECK(!plan.chunks.empty() && static_cast<int64_t>(plan.tokens.size()) <= limits_.max_tokens, plan.chunks.size(),
             " chunks, ", plan.tokens.size(), " rows");
  for (auto* v : {&positions_, &slots_, &context_len_, &table_rows_, &logit_rows_}) v->clear();
  row_offsets_.assign(1, 0);
  ids_.assign(plan.tokens.begin(), plan.tokens.end());
  for (const auto& chunk : plan.chunks) flatten_chunk(chunk, row_offsets_.back());
  WEFT_CHECK_EQ(positions_.size(), ids_.size());
  WEFT_CHECK(static_cast<int64_t>(logit_rows_.size()) <= limits_.max_rows, logit_rows_.size(), " logit rows");
}

void Runner::flatten_chunk(const StepPlan::Chunk& chunk, int64_t first_row) {
  const int32_t* blocks = learn_blocks(chunk);
  const int64_t end = int64_t{chunk.start} + chunk.n_tokens, size = block_size_;
  WEFT_CHECK(chunk.start >= 0 && chunk.n_tokens > 0 && end <= told_[chunk.sequence] * size, "chunk [", chunk.start, ", ",
             end, ") in ", told_[chunk.sequence], " blocks");
  for (int64_t position = chunk.start; position < end; ++position) {
    positions_.push_back(static_cast<int32_t>(position));
    slots_.push_back(static_cast<int32_t>(blocks[position / size] * size + position % size));
    if (chunk.all_logits || (chunk.draw && position + 1 == end))
      logit_rows_.push_back(static_cast<int32_t>(first_row + position - chunk.start));
  }
  row_offsets_.push_back(static_cast<int32_t>(first_row + chunk.n_tokens));
  context_len_.push_back(static_cast<int32_t>(end));
  table_rows_.push_back(chunk.sequence);
}

// The chunk's row of the block table, with what the plan tells of it.
const int32_t* Runner::learn_blocks(const StepPlan::Chunk& chunk) {
  WEFT_CHECK(chunk.sequence >= 0 && chunk.sequence < std::ssize(told_), "sequence ", chunk.sequence, " of ", told_.size());
  int32_t* row = reinterpret_cast<int32_t*>(block_table_.data()) + chunk.sequence * max_blocks_;  // NOLINT
  int32_t& told = told_[chunk.sequence];
  WEFT_CHECK(chunk.first_block >= 0 && (chunk.first_block == told || chunk.first_block == 0), "blocks from ",
             chunk.first_block, ", ", told, " are known");
  told = chunk.first_block + static_cast<int32_t>(chunk.new_blocks.size());
  WEFT_CHECK(told <= max_blocks_, told, " blocks in a sequence");
  for (const int32_t block : chunk.new_blocks)
    WEFT_CHECK(block >= 0 && block < n_blocks_, "block ", block, " of ", n_blocks_);
  std::copy(chunk.new_blocks.begin(), chunk.new_blocks.end(), row + chunk.first_block);
  return row;
}

}  // namespace weft
