// Cases of attention and kv_write.
#include <cmath>

#include "kernels/cases/attention_fixture.h"

namespace weft::test {
namespace {

OpCase attention_case(std::string name, const AttentionShape& shape, bool bench_only = false) {
  int64_t tokens = 0;
  double pairs = 0, bytes = 0;  // (query, key) pairs of one head; cache bytes read once
  const double position_bytes = 2.0 * shape.head_dim * shape.kv_heads() * dtype_info(shape.dtype).block_bytes;
  for (auto [rows, context] : shape.sequences) {
    tokens += rows;
    for (int i = 0; i < rows; ++i) {
      const int seen = context - i;
      pairs += shape.window ? std::min(seen, shape.window) : seen;
    }
    bytes += position_bytes * (shape.window ? std::min(context, shape.window + rows) : context);
  }
  return {.name = "attention/" + name,
          .tolerance = rounding(4 * shape.head_dim + 64),
          .bytes = bytes,
          .flops = 4.0 * shape.head_dim * shape.q_heads() * pairs,
          .workspace = AttentionSetup::workspace(tokens, shape.q_heads(), shape.head_dim, 4),
          .bench_only = bench_only,
          .make = [=](Inputs& in) -> OpRun {
            AttentionSetup& s = in.keep(AttentionSetup(shape, in));
            return {{s.out}, [&s](Backend b, Context& c) {
                      if (b == Backend::ref) return ref::attention(s.out, s.q, s.kv, s.shape.groups, s.batch(), {}, s.params, c);
                      AttentionSetup::run(s.out, s.q, s.kv, s.shape.groups, s.batch(), s.params, c);
                    }};
          }};
}

OpCase kv_write_case(DType dtype, int64_t tokens, int64_t heads, int64_t head_dim, int64_t block_size) {
  return {.name = cat("kv_write/", name(dtype), "_", tokens, "x", heads, "x", head_dim),
          .bytes = 2.0 * tokens * heads * head_dim * (4 + dtype_info(dtype).block_bytes),
          .make = [=](Inputs& in) -> OpRun {
            const int64_t blocks = tokens / block_size + 2;
            const PagedKv kv{in.empty(dtype, {blocks, heads, head_dim, block_size}),
                             in.empty(dtype, {blocks, heads, block_size, head_dim})};
            const Tensor k = in.normal({tokens, heads, head_dim}), v = in.normal({tokens, heads, head_dim}, 1e-6f);
            const Tensor slots = in.empty(DType::i32, {tokens});
            for (int64_t t = 0; t < tokens; ++t)  // from the back, starting inside a block
              slots.as<int32_t>()[t] = static_cast<int32_t>(blocks * block_size - 3 - t);
            return {{kv.k, kv.v}, [=](Backend b, Context& c) { pick(b, ref::kv_write, kv_write)(kv, k, v, slots, c); }};
          }};
}

}  // namespace

void add_attention_cases(std::vector<OpCase>& cases) {
  const auto add = [&](std::string name, const AttentionShape& shape, bool bench_only = false) {
    cases.push_back(attention_case(std::move(name), shape, bench_only));
  };
  add("no_sequences", {.sequences = {}});
  add("one_position", {.sequences = {{1, 1}}});
  add("ragged", {.block_size = 48, .sequences = {{1, 300}, {0, 0}, {17, 17}, {5, 133}, {0, 40}, {1, 129}, {1, 128}}});
  add("ragged_bf16", {.dtype = DType::bf16, .block_size = 32, .sequences = {{1, 257}, {33, 150}, {1, 16}}});
  add("ragged_f16", {.dtype = DType::f16, .sequences = {{2, 127}, {30, 31}, {1, 400}}});
  add("uneven_groups", {.groups = {{0, 0, 3}, {1, 3, 5}}, .sequences = {{40, 140}, {1, 77}}});
  add("shared_kv_head", {.groups = {{0, 0, 2}, {0, 2, 3}}, .sequences = {{3, 50}}});
  add("mha_dim24", {.head_dim = 24, .groups = {{0, 0, 1}, {1, 1, 2}}, .sequences = {{50, 50}, {1, 200}}});
  add("mqa_dim80", {.dtype = DType::bf16, .block_size = 32, .head_dim = 80, .groups = {{0, 0, 50}}, .sequences = {{4, 150}}});
  add("dim128", {.dtype = DType::f16, .block_size = 64, .head_dim = 128, .groups = {{0, 0, 7}}, .sequences = {{20, 300}}});
  add("window5", {.block_size = 32, .sequences = {{60, 200}, {1, 300}, {3, 3}}, .window = 5});
  add("window150", {.dtype = DType::bf16, .sequences = {{100, 400}, {1, 128}}, .window = 150});
  add("soft_cap", {.sequences = {{20, 150}}, .soft_cap = 30});
  add("long_one_kv_head", {.groups = {{0, 0, 4}}, .sequences = {{1, 2000}}});
  for (DType dtype : {DType::f32, DType::bf16, DType::f16})
    for (int context : {128, 512, 4096})
      add(cat("decode_", name(dtype), "_", context), {.dtype = dtype, .block_size = 64, .sequences = {{1, context}}});
  add("decode_b8_bf16_512", {.dtype = DType::bf16, .block_size = 64, .sequences = std::vector(8, std::pair(1, 512))});
  for (DType dtype : {DType::f32, DType::bf16})
    for (int block_size : {16, 64})
      add(cat("prefill512_", name(dtype), "_block", block_size),
          {.dtype = dtype, .block_size = block_size, .sequences = {{512, 512}}}, true);
  for (DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    cases.push_back(kv_write_case(dtype, 0, 1, 64, 16));
    cases.push_back(kv_write_case(dtype, 1, 3, 64, 64));
    cases.push_back(kv_write_case(dtype, 100, 3, 24, 48));
    cases.push_back(kv_write_case(dtype, 512, 3, 64, 64));
  }
}

}  // namespace weft::test
