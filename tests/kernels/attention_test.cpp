// Attention's promise: a row's bits depend on its position, its q and the K and V it sees, and on nothing else.
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/cases/attention_fixture.h"

namespace weft::test {
namespace {

std::string bytes_of(const Tensor& x) { return {reinterpret_cast<const char*>(x.data), static_cast<size_t>(x.bytes())}; }

void run(const AttentionSetup& s, const Tensor& out, const Tensor& q, const AttentionBatch& batch, int threads) {
  ThreadPool pool(threads);
  Arena workspace(AttentionSetup::workspace(q.dim(0), q.dim(1), q.dim(2), threads));
  Context context{pool, workspace};
  AttentionSetup::run(out, q, s.kv, s.shape.groups, batch, s.params, context);
  EXPECT_EQ(workspace.used(), 0);
}

// Rows [begin, end) of the single sequence of `s`, as one chunk of a longer prompt.
void run_chunk(const AttentionSetup& s, const Tensor& out, int begin, int end, int threads) {
  const int first_position = s.context_len[0] - s.row_offsets[1];
  const std::vector<int32_t> rows = {0, end - begin}, context = {first_position + end};
  run(s, out.slice(begin, end), s.q.slice(begin, end), AttentionSetup::batch_of(rows, context, s.block_table), threads);
}

class Chunks : public testing::TestWithParam<AttentionShape> {};

TEST_P(Chunks, WholePromptChunksAndSingleRowsGiveTheSameBits) {
  Inputs in(5);
  const AttentionSetup s(GetParam(), in);
  const int rows = s.row_offsets[1];
  run(s, s.out, s.q, s.batch(), 2);
  for (int chunk : {1, 7, 16, 100}) {
    const Tensor out = in.empty(DType::f32, {rows, s.shape.q_heads(), s.shape.head_dim});
    for (int begin = 0; begin < rows; begin += chunk) run_chunk(s, out, begin, std::min(begin + chunk, rows), 1 + begin % 3);
    EXPECT_EQ(bytes_of(out), bytes_of(s.out)) << "chunks of " << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Chunks,
    testing::Values(AttentionShape{.sequences = {{300, 300}}},
                    AttentionShape{.dtype = DType::bf16, .block_size = 48, .head_dim = 24, .sequences = {{150, 290}}},
                    AttentionShape{.dtype = DType::f16, .block_size = 32, .groups = {{0, 0, 3}, {1, 3, 5}},
                                   .sequences = {{140, 140}}, .window = 20},
                    AttentionShape{.groups = {{0, 0, 1}}, .sequences = {{60, 400}}, .window = 129, .soft_cap = 20}),
    [](const auto& info) { return cat(name(info.param.dtype), "_dim", info.param.head_dim, "_window", info.param.window); });

TEST(Attention, BatchMatesAndBlockLayoutChangeNothing) {
  const std::vector<std::pair<int32_t, int32_t>> sequences = {{1, 200}, {33, 150}, {1, 129}, {4, 4}};
  Inputs in(6);
  const AttentionSetup s({.dtype = DType::bf16, .block_size = 32, .sequences = sequences}, in);
  run(s, s.out, s.q, s.batch(), 2);
  for (size_t i = 0; i < sequences.size(); ++i) {
    const int begin = s.row_offsets[i], end = s.row_offsets[i + 1];
    const std::vector<int32_t> rows = {0, end - begin}, context = {s.context_len[i]};
    const Tensor alone = in.empty(DType::f32, {end - begin, s.shape.q_heads(), s.shape.head_dim});
    run(s, alone, s.q.slice(begin, end), AttentionSetup::batch_of(rows, context, s.block_table.slice(i, i + 1)), 1);
    EXPECT_EQ(bytes_of(alone), bytes_of(s.out.slice(begin, end))) << "sequence " << i;
  }
  // The same seed draws the same values, so only the block size (and with it the table) differs.
  std::vector<std::string> by_block_size;
  for (int block_size : {16, 48, 256}) {
    Inputs same(7);
    AttentionSetup other({.block_size = block_size, .sequences = {{40, 300}}}, same);
    Inputs values(8);
    ThreadPool pool(1);
    Arena none(0);
    Context context{pool, none};
    const Tensor k = values.normal({300, 3, 64}), v = values.normal({300, 3, 64}), q = values.normal({40, 9, 64}, 0.5f);
    const Tensor slots = values.empty(DType::i32, {300});
    for (int j = 0; j < 300; ++j)
      slots.as<int32_t>()[j] = other.block_table.as<int32_t>()[j / block_size] * block_size + j % block_size;
    kv_write(other.kv, k, v, slots, context);
    run(other, other.out, q, other.batch(), 2);
    by_block_size.push_back(bytes_of(other.out));
  }
  EXPECT_EQ(by_block_size[0], by_block_size[1]);
  EXPECT_EQ(by_block_size[0], by_block_size[2]);
}

TEST(Attention, HeadsOnAnotherRankChangeNothing) {
  Inputs in(9);
  const AttentionSetup s({.sequences = {{1, 700}, {20, 90}}}, in);
  run(s, s.out, s.q, s.batch(), 2);
  // A rank that holds query heads 2 to 4: one of KV head 0 and two of KV head 1.
  AttentionSetup part = s;
  part.shape.groups = {{0, 0, 1}, {1, 1, 3}};
  const Tensor q = in.empty(DType::f32, {21, 3, 64}), out = in.empty(DType::f32, {21, 3, 64});
  for (int t = 0; t < 21; ++t) std::copy_n(s.q.as<float>() + (t * 9 + 2) * 64, 3 * 64, q.as<float>() + t * 3 * 64);
  run(part, out, q, s.batch(), 3);
  for (int t = 0; t < 21; ++t)
    EXPECT_EQ(std::memcmp(out.as<float>() + t * 3 * 64, s.out.as<float>() + (t * 9 + 2) * 64, 3 * 64 * 4), 0) << t;
}

TEST(Attention, StridedRowsAndValuesOnlyTheFutureSees) {
  Inputs in(10);
  AttentionSetup s({.sequences = {{10, 40}}}, in);
  run(s, s.out, s.q, s.batch(), 2);
  // q as the front of wider rows, and the last position's K and V spoilt: no row before it may change.
  const Tensor wide = in.normal({10, 12, 64});
  const Tensor q = wide.narrow(1, 0, 9);
  for (int t = 0; t < 10; ++t) std::copy_n(s.q.as<float>() + t * 9 * 64, 9 * 64, q.as<float>() + t * 12 * 64);
  const Tensor out = in.empty(DType::f32, {10, 9, 64}), spoilt = in.empty(DType::f32, {1, 3, 64});
  std::fill_n(spoilt.as<float>(), spoilt.elements(), std::numeric_limits<float>::quiet_NaN());
  Tensor slot = in.integers({1}, 0, 1);
  slot.as<int32_t>()[0] = s.block_table.as<int32_t>()[39 / 16] * 16 + 39 % 16;
  ThreadPool pool(1);
  Arena none(0);
  Context context{pool, none};
  kv_write(s.kv, spoilt, spoilt, slot, context);
  run(s, out, q, s.batch(), 2);
  EXPECT_EQ(bytes_of(out.slice(0, 9)), bytes_of(s.out.slice(0, 9)));
  EXPECT_TRUE(std::isnan(out.as<float>()[9 * 9 * 64]));
}

TEST(Attention, BrokenBatchesAreRefused) {
  Inputs in(11);
  AttentionSetup s({.sequences = {{4, 40}}}, in);
  const auto fails = [&] { EXPECT_THROW(run(s, s.out, s.q, s.batch(), 1), CheckError); };
  s.context_len = {3};  // fewer positions than rows
  fails();
  s.context_len = {10'000};  // beyond the block table
  fails();
  s.context_len = {40};
  s.row_offsets = {0, 5};
  fails();
  s.row_offsets = {0, 4};
  s.shape.groups = {{3, 0, 1}};
  fails();
}

}  // namespace
}  // namespace weft::test
