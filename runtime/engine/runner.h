#pragma once
// Runs plans on one rank: plan -> StepInput -> forward -> logits. All host arrays are sized once.
#include <memory>
#include <vector>

#include "parallel/communicator.h"
#include "runtime/engine/kv_cache.h"
#include "runtime/engine/step_plan.h"
#include "runtime/models/model.h"

namespace weft {

class Runner {
 public:
  // max_seqs: chunks of a plan at most, and sequence indices.
  Runner(const Model& model, KvCache& kv, Parallel parallel, const StepLimits& limits, int64_t max_seqs,
         int64_t max_blocks_per_seq);

  // logits (rows, this rank's slice of the vocabulary) f32 of the rows the plan wants, in order. Valid until the next run. A plan
  // beyond the limits or with blocks that do not exist is a CheckError.
  Tensor run(const StepPlan& plan);

 private:
  void flatten(const StepPlan& plan);
  void flatten_chunk(const StepPlan::Chunk& chunk, int64_t first_row);
  const int32_t* learn_blocks(const StepPlan::Chunk& chunk);

  const Model& model_;
  KvCache& kv_;
  Parallel parallel_;
  StepLimits limits_;
  int64_t max_blocks_, n_blocks_, block_size_, slice_;
  Buffer logits_;
  std::vector<int32_t> ids_, positions_, slots_, row_offsets_, context_len_, table_rows_, logit_rows_;
  Buffer block_table_;         // (max_seqs, max_blocks) i32, a row a sequence index, kept between plans
  std::vector<int32_t> told_;  // (max_seqs), of each row, the blocks that are known
};

}  // namespace weft
