#pragma once
// Decides what the next step computes: queues and free blocks in, StepPlan out. Integers only, no clock, no
// threads.
//
// Policy: first come, first served. A step holds at most max_batch_tokens rows: first one row of every
// sequence that is generating, then chunks of prompts in order of arrival. A waiting sequence is admitted
// when blocks for all its known tokens are free (beyond one spare block for each running sequence), so only
// generation can run out of blocks; then the latest arrival gives its blocks back and is recomputed later.
// The earliest can take from all others, so it always advances, and every request that add() accepts ends. In
// canonical order none of this changes a result.
//
// A sequence has an index below max_seqs from its first admission until it ends, also while it waits for blocks again: nobody is
// admitted before those who were.
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

#include "runtime/engine/block_manager.h"
#include "runtime/engine/request.h"
#include "runtime/engine/step_plan.h"

namespace weft {

struct SchedulerLimits {
  int max_seqs = 64;           // sequences that hold blocks at a time
  int max_batch_tokens = 512;  // rows of a step
};

class Scheduler {
 public:
  // hash: as BlockManager's.
  Scheduler(const SchedulerLimits& limits, int64_t n_blocks, int block_size, BlockManager::Hash hash = BlockManager::hash);

  // ids: the known tokens; max_length: positions it may ever need K and V for, which must fit the cache
  // alone. Blocks are shared with sequences of the same salt only.
  void add(RequestId id, std::vector<int32_t> ids, int64_t max_length, std::string salt = {});
  void remove(RequestId id);  // finished or cancelled, in any state; unknown ids are a CheckError

  bool has_work() const { return !sequences_.empty(); }
  bool contains(RequestId id) const { return sequences_.contains(id); }
  int64_t running() const { return static_cast<int64_t>(running_.size()); }
  int64_t waiting() const { return static_cast<int64_t>(waiting_.size()); }
  int64_t preemptions() const { return preemptions_; }
  // Positions taken from the prefix cache so far.
  int64_t cached_tokens() const { return cached_tokens_; }
  int64_t cached_tokens(RequestId id) const { return sequences_.at(id).cached; }  // since it was last admitted
  std::span<const int32_t> ids(RequestId id) const { return sequences_.at(id).ids; }

  // The next step, never empty while has_work(). After running it: completed() once, then append() for each
  // request that sampled() named and that goes on, then maybe remove().
  StepPlan schedule();
  // Requests whose chunk in the last plan ends with wanted logits, in the order of the plan's chunks.
  std::span<const RequestId> sampled() const { return sampled_; }
  // All requests that have a chunk in the last plan.
  std::span<const RequestId> scheduled() const { return scheduled_; }
  void completed();
  void append(RequestId id, int32_t token);

  BlockManager& blocks() { return blocks_; }
  const BlockManager& blocks() const { return blocks_; }
  void check_integrity() const;

 private:
  struct Sequence {
    RequestId id = 0;
    std::vector<int32_t> ids;
    std::vector<int32_t> blocks;
    std::string salt;
    std::vector<PrefixId> prefixes;  // that end with each of the leading full blocks that are computed
    int64_t computed = 0;            // positions whose K and V are in the cache
    int64_t cached = 0;              // of them, those that were there already
    int64_t scheduled = 0;           // rows in the plan that is running
    int32_t index = -1;              // from its first admission until it ends
    int64_t told = 0;                // of blocks, those that plans have told
    int64_t pending() const { return static_cast<int64_t>(ids.size()) - computed; }
  };

  void schedule_running(bool decode, int64_t& budget);
  void admit(int64_t& budget);
  bool take_blocks(Sequence& sequence, int64_t& budget);
  void preempt_latest(int64_t& budget);
  BlockKey next_key(const Sequence& sequence) const;
  void reuse_prefix(Sequence& sequence);
  void release_blocks(Sequence& sequence);
  void add_chunk(StepPlan& plan, Sequence& sequence);

  SchedulerLimits limits_;
  BlockManager blocks_;
  std::unordered_map<RequestId, Sequence> sequences_;
  std::vector<Sequence*> running_;  // in order of arrival
  std::deque<Sequence*> waiting_;   // in order of arrival; all later than the running ones
  std::vector<RequestId> scheduled_, sampled_;
  std::vector<int32_t> free_indices_;
  uint64_t step_ = 0;
  int64_t preemptions_ = 0, cached_tokens_ = 0;
};

}  // namespace weft
