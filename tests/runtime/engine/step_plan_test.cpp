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
  plan.chunks.push_back({.start = 40, .n_tokens = 1, .logits = true, .blocks = {3, 9}});
  plan.chunks.push_back({.start = 0, .n_tokens = 3, .all_logits = true, .blocks = {1}});
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
    EXPECT_EQ(a.chunks[i].logits, b.chunks[i].logits);
    EXPECT_EQ(a.chunks[i].all_logits, b.chunks[i].all_logits);
    EXPECT_EQ(a.chunks[i].blocks, b.chunks[i].blocks);
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
  plan.chunks.push_back({.start = 30, .n_tokens = 1, .logits = true, .blocks = {0}});
  EXPECT_LE(plan.serialise().size(), 40u);
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
    plan.chunks.push_back({.start = start, .n_tokens = n, .blocks = {0}});
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
