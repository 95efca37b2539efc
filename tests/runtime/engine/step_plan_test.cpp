#include "runtime/engine/step_plan.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "kernels/core/check.h"

namespace weft {
namespace {

StepPlan example() {
  StepPlan plan;
  plan.step = 0x123456789abcdefu;
  plan.tokens = {5, 0, 49151, 7};
  plan.chunks.push_back(
      {.sequence = 2, .start = 40, .n_tokens = 1, .draw = true, .echo = true, .first_block = 7, .new_blocks = {3, 9}});
  plan.chunks.push_back({.start = 0, .n_tokens = 3, .all_logits = true, .new_blocks = {1}});
  plan.begins.push_back({.sequence = 2, .sampling = {.temperature = 0.5f, .seed = 9}, .n_generated = 1, .ids = {4, 4, 6}});
  return plan;
}

void expect_equal(const StepPlan& a, const StepPlan& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.stop, b.stop);
  EXPECT_EQ(a.tokens, b.tokens);
  ASSERT_EQ(a.chunks.size(), b.chunks.size());
  for (size_t i = 0; i < a.chunks.size(); ++i) {
    EXPECT_EQ(a.chunks[i].start, b.chunks[i].start);
    EXPECT_EQ(a.chunks[i].n_tokens, b.chunks[i].n_tokens);
    EXPECT_EQ(a.chunks[i].sequence, b.chunks[i].sequence);
    EXPECT_EQ(a.chunks[i].draw, b.chunks[i].draw);
    EXPECT_EQ(a.chunks[i].echo, b.chunks[i].echo);
    EXPECT_EQ(a.chunks[i].all_logits, b.chunks[i].all_logits);
    EXPECT_EQ(a.chunks[i].first_block, b.chunks[i].first_block);
    EXPECT_EQ(a.chunks[i].new_blocks, b.chunks[i].new_blocks);
  }
  ASSERT_EQ(a.begins.size(), b.begins.size());
  for (size_t i = 0; i < a.begins.size(); ++i) {
    EXPECT_EQ(a.begins[i].sequence, b.begins[i].sequence);
    EXPECT_EQ(a.begins[i].sampling.temperature, b.begins[i].sampling.temperature);
    EXPECT_EQ(a.begins[i].sampling.seed, b.begins[i].sampling.seed);
    EXPECT_EQ(a.begins[i].n_generated, b.begins[i].n_generated);
    EXPECT_EQ(a.begins[i].ids, b.begins[i].ids);
  }
}

TEST(StepPlan, ComesBackAsItWas) { expect_equal(StepPlan::deserialise(example().serialise()), example()); }

TEST(StepPlan, StopCarriesNothingElse) {
  StepPlan plan;
  plan.stop = true;
  const StepPlan back = StepPlan::deserialise(plan.serialise());
  EXPECT_TRUE(back.stop);
  EXPECT_TRUE(back.chunks.empty());
}

TEST(StepPlan, ADecodePlanIsSmall) {
  StepPlan plan;
  plan.tokens = {1};
  plan.chunks.push_back({.start = 30, .n_tokens = 1, .draw = true});
  EXPECT_LE(plan.serialise().size(), 50u);
}

TEST(StepPlan, EveryTruncationIsRefused) {
  const std::vector<std::byte> message = example().serialise();
  for (size_t n = 0; n < message.size(); ++n)
    EXPECT_THROW(StepPlan::deserialise(std::span(message).first(n)), CheckError) << n;
}

TEST(StepPlan, TrailingBytesAreRefused) {
  std::vector<std::byte> message = example().serialise();
  message.push_back(std::byte{0});
  EXPECT_THROW(StepPlan::deserialise(message), CheckError);
}

TEST(StepPlan, HugeCountsAreRefusedBeforeAnythingIsAllocated) {
  for (const size_t offset : {9, 13}) {  // tokens, chunks
    std::vector<std::byte> message = example().serialise();
    const uint32_t huge = 0xffffffff;
    std::memcpy(message.data() + offset, &huge, sizeof huge);
    EXPECT_THROW(StepPlan::deserialise(message), CheckError) << offset;
  }
}

TEST(StepPlan, NegativeAndEmptyChunksAreRefused) {
  for (const auto& [start, n] : {std::pair{-1, 1}, {0, 0}, {0, -4}, {3, 2}}) {  // {3, 2}: one row too many
    StepPlan plan;
    plan.tokens = {1};
    plan.chunks.push_back({.start = start, .n_tokens = n, .new_blocks = {0}});
    EXPECT_THROW(StepPlan::deserialise(plan.serialise()), CheckError) << start << " " << n;
  }
}

TEST(StepPlan, RandomDamageNeverGetsPastTheChecks) {
  std::mt19937 random(3);
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::byte> message = example().serialise();
    for (unsigned n = 1 + random() % 4; n > 0; --n) message[random() % message.size()] = static_cast<std::byte>(random());
    try {
      const StepPlan plan = StepPlan::deserialise(message);
      EXPECT_EQ(plan.serialise().size(), message.size());
    } catch (const CheckError&) {
    }
  }
}

}  // namespace
}  // namespace weft
