// Every case of the op harness: against the double reference, across threads, across instruction sets.
#include <gtest/gtest.h>

#include <ostream>

#include "hwy/targets.h"
#include "kernels/cases/op_case.h"

namespace weft::test {

// What CTest shows beside a test's name.
void PrintTo(const OpCase* op_case, std::ostream* out) { *out << op_case->name; }

namespace {

constexpr uint64_t kSeed = 20'111;

class OpCases : public testing::TestWithParam<const OpCase*> {};

TEST_P(OpCases, MatchesReference) { EXPECT_EQ(compare_with_ref(*GetParam(), 2, kSeed), ""); }

TEST_P(OpCases, SameBitsOnAnyNumberOfThreads) {
  const auto one = run_case(*GetParam(), Backend::cpu, 1, kSeed);
  for (int threads : {2, 3}) EXPECT_EQ(run_case(*GetParam(), Backend::cpu, threads, kSeed), one) << threads << " threads";
}

TEST_P(OpCases, SameBitsOnEveryInstructionSet) {
  const int64_t supported = hwy::SupportedTargets();
  hwy::GetChosenTarget().Update(0);  // none of the optional ones: the baseline
  const auto baseline = run_case(*GetParam(), Backend::cpu, 2, kSeed);
  for (int64_t target : {HWY_AVX2, HWY_AVX3}) {
    if (!(supported & target)) continue;
    hwy::GetChosenTarget().Update(target);
    EXPECT_EQ(run_case(*GetParam(), Backend::cpu, 2, kSeed), baseline) << hwy::TargetName(target);
  }
  hwy::GetChosenTarget().DeInit();
}

std::vector<const OpCase*> tested_cases() {
  std::vector<const OpCase*> cases;
  for (const OpCase& op_case : op_cases())
    if (!op_case.bench_only) cases.push_back(&op_case);
  return cases;
}

std::string test_name(const testing::TestParamInfo<const OpCase*>& info) {
  std::string name = info.param->name;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, OpCases, testing::ValuesIn(tested_cases()), test_name);

}  // namespace
}  // namespace weft::test
