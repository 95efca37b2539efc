#include "runtime/engine/scheduler.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "kernels/core/check.h"

namespace weft {
namespace {

// Plays the ranks: a KV cache whose slot holds a hash of all tokens up to its position. A row may be written
// only if the slot before it holds the hash of exactly the tokens before it, so a lost, stale or foreign
// block is noticed at once.
class FakeCache {
 public:
  FakeCache(int64_t n_blocks, int block_size) : size_(block_size), slots_(n_blocks * block_size, 0) {}

  // Returns the hash at the last row of each chunk that draws.
  std::vector<uint64_t> run(const StepPlan& plan) {
    std::vector<uint64_t> results;
    size_t row = 0;
    std::map<int32_t, int> writers;
    for (const auto& chunk : plan.chunks) {
      std::vector<int32_t>& table = tables_[chunk.sequence];
      EXPECT_TRUE(chunk.first_block == 0 || chunk.first_block == std::ssize(table)) << chunk.first_block;
      table.resize(static_cast<size_t>(chunk.first_block));
      table.insert(table.end(), chunk.new_blocks.begin(), chunk.new_blocks.end());
      EXPECT_GE(std::ssize(table), (chunk.start + chunk.n_tokens + size_ - 1) / size_);
      for (int32_t position = chunk.start; position < chunk.start + chunk.n_tokens; ++position, ++row) {
        const uint64_t before = position == 0 ? 0 : at(chunk, position - 1);
        at(chunk, position) = mix(before, plan.tokens.at(row));
        EXPECT_EQ(writers[table[position / size_]]++ < size_, true);
      }
      if (chunk.draw) results.push_back(at(chunk, chunk.start + chunk.n_tokens - 1));
    }
    EXPECT_EQ(row, plan.tokens.size());
    return results;
  }

  static uint64_t mix(uint64_t h, int32_t token) {
    h = (h ^ static_cast<uint32_t>(token + 1)) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
  }
  static uint64_t of(std::span<const int32_t> ids) {
    uint64_t h = 0;
    for (const int32_t id : ids) h = mix(h, id);
    return h;
  }

 private:
  uint64_t& at(const StepPlan::Chunk& chunk, int32_t position) {
    return slots_.at(int64_t{tables_[chunk.sequence].at(position / size_)} * size_ + position % size_);
  }
  int size_;
  std::vector<uint64_t> slots_;
  std::map<int32_t, std::vector<int32_t>> tables_;  // by the index of a sequence
};

struct Harness {
  Harness(SchedulerLimits limits, int64_t n_blocks, int block_size, BlockManager::Hash hash = BlockManager::hash)
      : limits(limits), scheduler(limits, n_blocks, block_size, hash), cache(n_blocks, block_size) {}

  void add(RequestId id, std::vector<int32_t> ids, int generate, std::string salt = {}) {
    const auto length = static_cast<int64_t>(ids.size()) + generate;
    scheduler.add(id, std::move(ids), length, std::move(salt));
    left[id] = generate;
  }

  // One step; every chunk that draws is checked against the tokens of its request.
  StepPlan step() {
    StepPlan plan = scheduler.schedule();
    EXPECT_FALSE(plan.chunks.empty());
    EXPECT_LE(static_cast<int>(plan.tokens.size()), limits.max_batch_tokens);
    scheduler.check_integrity();
    const std::vector<uint64_t> hashes = cache.run(plan);
    EXPECT_EQ(hashes.size(), scheduler.sampled().size());
    scheduler.completed();
    const std::vector<RequestId> sampled(scheduler.sampled().begin(), scheduler.sampled().end());
    for (size_t i = 0; i < sampled.size(); ++i) {
      const RequestId id = sampled[i];
      EXPECT_EQ(hashes[i], FakeCache::of(scheduler.ids(id))) << "request " << id;
      if (--left.at(id) > 0) {
        scheduler.append(id, static_cast<int32_t>(hashes[i] % 3));  // few ids: prefixes repeat
      } else {
        finished[id].assign(scheduler.ids(id).begin(), scheduler.ids(id).end());
        scheduler.remove(id);
        left.erase(id);
      }
    }
    scheduler.check_integrity();
    return plan;
  }

  SchedulerLimits limits;
  Scheduler scheduler;
  FakeCache cache;
  std::map<RequestId, int> left;
  std::map<RequestId, std::vector<int32_t>> finished;
};

std::vector<int32_t> count(int n, int from = 0) {
  std::vector<int32_t> ids(n);
  for (int i = 0; i < n; ++i) ids[i] = from + i;
  return ids;
}

TEST(Scheduler, CutsAPromptIntoChunksAndWantsLogitsOnlyAtItsEnd) {
  Harness h({.max_seqs = 4, .max_batch_tokens = 10}, 8, 16);
  h.add(1, count(25), 1);
  for (const auto& [start, rows, draw] : {std::tuple{0, 10, false}, {10, 10, false}, {20, 5, true}}) {
    const StepPlan plan = h.step();
    ASSERT_EQ(plan.chunks.size(), 1u);
    EXPECT_EQ(plan.chunks[0].start, start);
    EXPECT_EQ(plan.chunks[0].n_tokens, rows);
    EXPECT_EQ(plan.chunks[0].draw, draw);
  }
  EXPECT_FALSE(h.scheduler.has_work());
  EXPECT_EQ(h.scheduler.blocks().free(), 8);
}

TEST(Scheduler, GeneratingRowsComeBeforePrompts) {
  Harness h({.max_seqs = 4, .max_batch_tokens = 4}, 16, 16);
  h.add(1, count(3), 9);
  h.step();
  h.add(2, count(9, 100), 1);
  const StepPlan plan = h.step();
  ASSERT_EQ(plan.chunks.size(), 2u);
  EXPECT_EQ(plan.chunks[0].n_tokens, 1);
  EXPECT_EQ(plan.chunks[0].start, 3);
  EXPECT_EQ(plan.chunks[1].n_tokens, 3);
  EXPECT_EQ(plan.chunks[1].start, 0);
}

TEST(Scheduler, AdmitsNoMoreThanMaxSeqs) {
  Harness h({.max_seqs = 2, .max_batch_tokens = 100}, 16, 16);
  for (int i = 0; i < 5; ++i) h.add(i, count(3, 10 * i), 4);
  h.step();
  EXPECT_EQ(h.scheduler.running(), 2);
  EXPECT_EQ(h.scheduler.waiting(), 3);
  while (h.scheduler.has_work()) h.step();
  EXPECT_EQ(h.finished.size(), 5u);
}

TEST(Scheduler, ASecondEqualPromptReusesFullBlocksButComputesItsLastToken) {
  Harness h({.max_seqs = 2, .max_batch_tokens = 100}, 16, 16);
  h.add(1, count(32), 1);
  h.step();
  h.add(2, count(32), 1);
  const StepPlan plan = h.step();
  ASSERT_EQ(plan.chunks.size(), 1u);
  EXPECT_EQ(plan.chunks[0].start, 16);  // the second block is full, but holds the last token
  EXPECT_EQ(plan.chunks[0].n_tokens, 16);
  EXPECT_EQ(h.scheduler.cached_tokens(), 16);
}

TEST(Scheduler, GeneratedTokensAreReusedToo) {
  Harness h({.max_seqs = 2, .max_batch_tokens = 100}, 16, 4);
  h.add(1, count(3), 7);
  while (h.scheduler.has_work()) h.step();
  std::vector<int32_t> longer = h.finished.at(1);  // 9 known tokens, 2 full blocks
  longer.push_back(77);
  h.add(2, longer, 1);
  EXPECT_EQ(h.step().chunks[0].start, 8);
}

TEST(Scheduler, ADifferentFirstTokenSharesNothing) {
  Harness h({.max_seqs = 2, .max_batch_tokens = 100}, 16, 4);
  std::vector<int32_t> other = count(12);
  h.add(1, other, 1);
  h.step();
  other[0] = 99;
  h.add(2, other, 1);
  EXPECT_EQ(h.step().chunks[0].start, 0);
}

size_t collide(const BlockKey&) { return 7; }

TEST(Scheduler, PromptsOfEqualHashesShareNoBlock) {
  Harness h({.max_seqs = 4, .max_batch_tokens = 100}, 32, 4, collide);
  h.add(1, count(17), 1);
  h.step();
  h.add(2, count(17, 50), 1);  // as long, other ids: run() would notice another's block
  std::vector<int32_t> second_block = count(17);
  second_block[4] = 99;
  h.add(3, second_block, 1);
  const StepPlan plan = h.step();
  EXPECT_EQ(plan.chunks[0].start, 0);
  EXPECT_EQ(plan.chunks[1].start, 4);
}

TEST(Scheduler, OnlyEqualSaltsShareBlocks) {
  Harness h({.max_seqs = 4, .max_batch_tokens = 100}, 32, 4);
  auto starts_at = [&, id = RequestId{0}](const char* salt) mutable {
    h.add(++id, count(17), 1, salt);
    return h.step().chunks[0].start;
  };
  EXPECT_EQ(starts_at("mine"), 0);
  EXPECT_EQ(starts_at("yours"), 0);
  EXPECT_EQ(starts_at(""), 0);
  EXPECT_EQ(starts_at("mine"), 16);
  EXPECT_EQ(starts_at("yours"), 16);
  EXPECT_EQ(starts_at(""), 16);
}

TEST(Scheduler, TheLatestIsPreemptedAndStillEndsRight) {
  Harness h({.max_seqs = 4, .max_batch_tokens = 64}, 6, 4);
  h.add(1, count(8), 16);  // alone it needs all 6 blocks
  h.add(2, count(8, 50), 12);
  while (h.scheduler.has_work()) h.step();
  EXPECT_GE(h.scheduler.preemptions(), 1);
  EXPECT_EQ(h.finished.at(1).size(), 23u);
  EXPECT_EQ(h.finished.at(2).size(), 19u);
  EXPECT_EQ(h.scheduler.blocks().free(), 6);
}

TEST(Scheduler, RemovesARequestInAnyState) {
  Harness h({.max_seqs = 1, .max_batch_tokens = 5}, 8, 4);
  h.add(1, count(12), 4);
  h.add(2, count(3), 4);
  h.step();  // 1 is in the middle of its prompt, 2 waits
  h.scheduler.remove(2);
  h.scheduler.check_integrity();
  h.scheduler.remove(1);
  h.scheduler.check_integrity();
  EXPECT_FALSE(h.scheduler.has_work());
  EXPECT_EQ(h.scheduler.blocks().free(), 8);
  EXPECT_THROW(h.scheduler.remove(1), CheckError);
}

TEST(Scheduler, RefusesWhatNeverFits) {
  Scheduler scheduler({.max_seqs = 1, .max_batch_tokens = 5}, 2, 4);
  EXPECT_THROW(scheduler.add(1, count(9), 9), CheckError);
  EXPECT_THROW(scheduler.add(1, {}, 4), CheckError);
  EXPECT_THROW(scheduler.add(1, count(5), 4), CheckError);
  scheduler.add(1, count(8), 8);
  EXPECT_THROW(scheduler.add(1, count(2), 8), CheckError);
}

// Random arrivals and cancellations on caches that are too small: nothing is lost, nobody starves, every
// token is computed on the right history, and every request generates what it generates alone.
class SchedulerSoak : public ::testing::TestWithParam<int> {};

TEST_P(SchedulerSoak, EndsEveryRequestWithTheTokensItHasAlone) {
  std::mt19937 random(static_cast<uint32_t>(GetParam()));
  const auto pick = [&](int low, int high) { return low + static_cast<int>(random() % (high - low + 1)); };
  const int block_size = pick(1, 5), n_blocks = pick(8, 24), longest = n_blocks * block_size;
  const BlockManager::Hash hash = GetParam() % 2 ? BlockManager::Hash{collide} : BlockManager::hash;
  Harness h({.max_seqs = pick(1, 9), .max_batch_tokens = pick(1, 20)}, n_blocks, block_size, hash);
  std::map<RequestId, std::pair<std::vector<int32_t>, int>> asked;
  for (int i = 0; i < 3000; ++i) {
    if (pick(0, 7) == 0 && h.scheduler.waiting() < 20) {
      std::vector<int32_t> prompt(pick(1, longest - 1));
      for (int32_t& id : prompt) id = pick(0, 9) == 0 ? 1 : 0;  // long common prefixes
      const int generate = pick(1, longest - static_cast<int>(prompt.size()));
      asked[i] = {prompt, generate};
      h.add(i, std::move(prompt), generate, pick(0, 2) == 0 ? "salt" : "");
    }
    if (pick(0, 60) == 0 && !h.left.empty()) {
      const RequestId id = std::next(h.left.begin(), pick(0, static_cast<int>(h.left.size()) - 1))->first;
      h.scheduler.remove(id);
      h.left.erase(id);
      asked.erase(id);
    }
    if (h.scheduler.has_work()) h.step();
  }
  int64_t steps = 0;
  for (; h.scheduler.has_work() && steps < 100000; ++steps) h.step();
  ASSERT_FALSE(h.scheduler.has_work()) << "livelock";
  ASSERT_EQ(h.finished.size(), asked.size());
  EXPECT_EQ(h.scheduler.blocks().free(), n_blocks);
  for (const auto& [id, request] : asked) {
    std::vector<int32_t> ids = request.first;
    for (int n = 1; n < request.second; ++n) ids.push_back(static_cast<int32_t>(FakeCache::of(ids) % 3));
    EXPECT_EQ(h.finished.at(id), ids) << "request " << id;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SchedulerSoak, ::testing::Range(0, 12));

}  // namespace
}  // namespace weft
