#include "runtime/engine/scheduler.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace weft {

Scheduler::Scheduler(const SchedulerLimits& limits, int64_t n_blocks, int block_size, BlockManager::Hash hash)
    : limits_(limits), blocks_(n_blocks, block_size, hash) {
  WEFT_CHECK(limits.max_seqs >= 1 && limits.max_batch_tokens >= 1, limits.max_seqs, " ", limits.max_batch_tokens);
  for (int index = limits.max_seqs; index-- > 0;) free_indices_.push_back(index);
}

void Scheduler::add(RequestId id, std::vector<int32_t> ids, int64_t max_length, std::string salt) {
  WEFT_CHECK(!ids.empty() && static_cast<int64_t>(ids.size()) <= max_length, ids.size(), " of ", max_length);
  WEFT_CHECK(blocks_.blocks_for(max_length) <= blocks_.total(), max_length, " positions never fit");
  const auto [it, added] = sequences_.try_emplace(id);
  WEFT_CHECK(added, "request ", id, " exists");
  it->second.id = id;
  it->second.ids = std::move(ids);
  it->second.salt = std::move(salt);
  waiting_.push_back(&it->second);
}

void Scheduler::remove(RequestId id) {
  const auto it = sequences_.find(id);
  WEFT_CHECK(it != sequences_.end(), "request ", id);
  Sequence* sequence = &it->second;
  release_blocks(*sequence);
  if (sequence->index >= 0) free_indices_.push_back(sequence->index);
  std::erase(running_, sequence);
  std::erase(waiting_, sequence);
  sequences_.erase(it);
}

StepPlan Scheduler::schedule() {
  int64_t budget = limits_.max_batch_tokens;
  for (Sequence* sequence : running_) sequence->scheduled = 0;
  schedule_running(true, budget);
  schedule_running(false, budget);
  admit(budget);

  StepPlan plan;
  plan.step = ++step_;
  plan.tokens.reserve(limits_.max_batch_tokens - budget);
  plan.chunks.reserve(running_.size());
  scheduled_.clear();
  sampled_.clear();
  for (const bool decode : {true, false})
    for (Sequence* sequence : running_)
      if (sequence->scheduled > 0 && (sequence->pending() == 1) == decode) add_chunk(plan, *sequence);
  WEFT_CHECK(!plan.chunks.empty() || !has_work(), running(), " running and ", waiting(), " waiting, nothing to do");
  return plan;
}

void Scheduler::schedule_running(bool decode, int64_t& budget) {
  // Preemption only shortens the end of running_, which lies behind i.
  for (size_t i = 0; i < running_.size() && budget > 0; ++i) {
    Sequence& sequence = *running_[i];
    if ((sequence.pending() == 1) != decode || !take_blocks(sequence, budget)) continue;
    sequence.scheduled = std::min(sequence.pending(), budget);
    budget -= sequence.scheduled;
  }
}

// Blocks for all known tokens. Admission took those of the prompt, so at most the one for the newest token is
// missing.
bool Scheduler::take_blocks(Sequence& sequence, int64_t& budget) {
  const int64_t wanted = blocks_.blocks_for(static_cast<int64_t>(sequence.ids.size()));
  while (static_cast<int64_t>(sequence.blocks.size()) < wanted) {
    if (blocks_.free() == 0) {
      if (running_.back() == &sequence) return false;  // the latest waits until an earlier one ends or takes its blocks
      preempt_latest(budget);
    } else {
      sequence.blocks.push_back(blocks_.allocate());
    }
  }
  return true;
}

void Scheduler::preempt_latest(int64_t& budget) {
  Sequence* latest = running_.back();
  running_.pop_back();
  budget += latest->scheduled;
  release_blocks(*latest);
  latest->computed = latest->scheduled = 0;
  latest->prefixes.clear();
  waiting_.push_front(latest);
  ++preemptions_;
}

void Scheduler::admit(int64_t& budget) {
  while (budget > 0 && !waiting_.empty() && running() < limits_.max_seqs) {
    Sequence& sequence = *waiting_.front();
    reuse_prefix(sequence);
    const int64_t wanted =
        blocks_.blocks_for(static_cast<int64_t>(sequence.ids.size())) - static_cast<int64_t>(sequence.blocks.size());
    if (wanted + running() > blocks_.free()) {  // running(): one spare block each, or it would soon be preempted again
      release_blocks(sequence);
      sequence.prefixes.clear();
      sequence.computed = 0;
      return;
    }
    for (int64_t i = 0; i < wanted; ++i) sequence.blocks.push_back(blocks_.allocate());
    sequence.cached = sequence.computed;
    cached_tokens_ += sequence.cached;
    waiting_.pop_front();
    running_.push_back(&sequence);
    if (sequence.index < 0) {
      WEFT_CHECK(!free_indices_.empty(), "no index is free for request ", sequence.id);
      sequence.index = free_indices_.back();
      free_indices_.pop_back();
    }
    sequence.scheduled = std::min(sequence.pending(), budget);
    budget -= sequence.scheduled;
  }
}

// Of the first full block behind the known prefixes.
BlockKey Scheduler::next_key(const Sequence& sequence) const {
  const auto& known = sequence.prefixes;
  const auto begin = sequence.ids.begin() + static_cast<int64_t>(known.size()) * blocks_.block_size();
  return {.before = known.empty() ? 0 : known.back(),
          .ids = {begin, begin + blocks_.block_size()},
          .salt = known.empty() ? sequence.salt : ""};
}

// Takes the longest cached prefix of full blocks, but never the last token: its logits are wanted.
void Scheduler::reuse_prefix(Sequence& sequence) {
  const int64_t size = blocks_.block_size(), reusable = (static_cast<int64_t>(sequence.ids.size()) - 1) / size;
  for (int64_t i = 0; i < reusable; ++i) {
    const auto [block, prefix] = blocks_.find(next_key(sequence));
    if (block < 0) return;
    sequence.blocks.push_back(block);
    sequence.prefixes.push_back(prefix);
    sequence.computed += size;
  }
}

// Last block first: of a prefix that is no longer in use, the end is forgotten before the beginning.
void Scheduler::release_blocks(Sequence& sequence) {
  for (; !sequence.blocks.empty(); sequence.blocks.pop_back()) blocks_.release(sequence.blocks.back());
  sequence.told = 0;
}

void Scheduler::add_chunk(StepPlan& plan, Sequence& sequence) {
  const bool draw = sequence.scheduled == sequence.pending();
  const auto begin = sequence.ids.begin() + sequence.computed;
  plan.tokens.insert(plan.tokens.end(), begin, begin + sequence.scheduled);
  plan.chunks.push_back({.sequence = sequence.index,
                         .start = static_cast<int32_t>(sequence.computed),
                         .n_tokens = static_cast<int32_t>(sequence.scheduled),
                         .draw = draw,
                         .first_block = static_cast<int32_t>(sequence.told),
                         .new_blocks = {sequence.blocks.begin() + sequence.told, sequence.blocks.end()}});
  sequence.told = std::ssize(sequence.blocks);
  scheduled_.push_back(sequence.id);
  if (draw) sampled_.push_back(sequence.id);
}

void Scheduler::completed() {
  const int64_t size = blocks_.block_size();
  for (Sequence* sequence : running_) {
    sequence->computed += sequence->scheduled;
    sequence->scheduled = 0;
    std::vector<PrefixId>& known = sequence->prefixes;
    while (static_cast<int64_t>(known.size() + 1) * size <= sequence->computed)
      known.push_back(blocks_.cache(sequence->blocks[known.size()], next_key(*sequence)));
  }
}

void Scheduler::append(RequestId id, int32_t token) {
  Sequence& sequence = sequences_.at(id);
  WEFT_CHECK(sequence.pending() == 0, "request ", id, " has ", sequence.pending(), " tokens to compute first");
  sequence.ids.push_back(token);
}

void Scheduler::check_integrity() const {
  std::vector<int32_t> references;
  WEFT_CHECK_EQ(running_.size() + waiting_.size(), sequences_.size());
  WEFT_CHECK(running() <= limits_.max_seqs, running(), " running");
  const auto with_index =
      std::count_if(sequences_.begin(), sequences_.end(), [](const auto& s) { return s.second.index >= 0; });
  WEFT_CHECK_EQ(with_index + std::ssize(free_indices_), limits_.max_seqs);
  for (const Sequence* s : running_) {
    references.insert(references.end(), s->blocks.begin(), s->blocks.end());
    WEFT_CHECK(s->pending() >= 0 && blocks_.blocks_for(s->computed) <= static_cast<int64_t>(s->blocks.size()), "request ",
               s->id);
    WEFT_CHECK(static_cast<int64_t>(s->prefixes.size()) * blocks_.block_size() <= s->computed, "request ", s->id);
  }
  for (const Sequence* s : waiting_)
    WEFT_CHECK(s->blocks.empty() && s->computed == 0 && s->prefixes.empty(), "request ", s->id);
  blocks_.check_integrity(references);
}

}  // namespace weft
