// Cases of rms_norm, rope, silu_mul and embedding.
#include <array>
#include <cmath>

#include "kernels/embedding/embedding.h"
#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rope/rope.h"
#include "kernels/silu_mul/silu_mul.h"
#include "kernels/cases/op_case.h"

namespace weft::test {
namespace {

OpCase rms_norm_case(int64_t rows, int64_t n) {
  return {.name = cat("rms_norm/", rows, "x", n),
          .tolerance = rounding(n / 16),
          .bytes = 8.0 * rows * n,
          .flops = 4.0 * rows * n,
          .make = [=](Inputs& in) -> OpRun {
            const Tensor x = in.normal({rows, n}), w = in.normal({n}), out = in.empty(DType::f32, {rows, n});
            return {{out}, [=](Backend b, Context& c) { pick(b, ref::rms_norm, rms_norm)(out, x, w, 1e-5f, c); }};
          }};
}

// x are the query heads of a fused qkv, normed in place as QK-norm does.
OpCase head_norm_case(int64_t tokens, int64_t heads, int64_t head_dim) {
  return {.name = cat("rms_norm/", tokens, "x", heads, "x", head_dim),
          .tolerance = rounding(head_dim / 16),
          .bytes = 8.0 * tokens * heads * head_dim,
          .flops = 4.0 * tokens * heads * head_dim,
          .make = [=](Inputs& in) -> OpRun {
            const Tensor before = in.normal({tokens, heads + 2, head_dim}), whole = in.copy(before), w = in.normal({head_dim});
            const Tensor x = whole.narrow(1, 1, heads + 1);
            return {{whole},
                    [=](Backend b, Context& c) { pick(b, ref::rms_norm, rms_norm)(x, x, w, 1e-6f, c); },
                    [=] { std::copy_n(before.as<float>(), before.elements(), whole.as<float>()); }};
          }};
}

OpCase add_rms_norm_case(int64_t rows, int64_t n) {
  return {.name = cat("add_rms_norm/", rows, "x", n),
          .tolerance = rounding(n / 16),
          .bytes = 16.0 * rows * n,
          .flops = 5.0 * rows * n,
          .make = [=](Inputs& in) -> OpRun {
            const Tensor x = in.normal({rows, n}), w = in.normal({n}), before = in.normal({rows, n});
            const Tensor residual = in.copy(before), out = in.empty(DType::f32, {rows, n});
            return {{out, residual},
                    [=](Backend b, Context& c) { pick(b, ref::add_rms_norm, add_rms_norm)(out, residual, x, w, 1e-6f, c); },
                    [=] { std::copy_n(before.as<float>(), rows * n, residual.as<float>()); }};
          }};
}

OpCase silu_mul_case(int64_t rows, int64_t f) {
  return {.name = cat("silu_mul/", rows, "x", f),
          .tolerance = rounding(0),
          .bytes = 12.0 * rows * f,
          .flops = 25.0 * rows * f,
          .make = [=](Inputs& in) -> OpRun {
            const Tensor x = in.normal({rows, 2 * f}), out = in.empty(DType::f32, {rows, f});
            return {{out}, [=](Backend b, Context& c) { pick(b, ref::silu_mul, silu_mul)(out, x, c); }};
          }};
}

OpCase grouped_silu_mul_case(int64_t rows, int64_t f, int32_t begin, int32_t end) {
  return {
      .name = cat("grouped_silu_mul/", rows, "x", f, "_from", begin, "_to", end),
      .tolerance = rounding(0),
      .bytes = 12.0 * (end - begin) * f,
      .flops = 25.0 * (end - begin) * f,
      .make = [=](Inputs& in) -> OpRun {
        const Tensor x = in.normal({rows, 2 * f}), out = in.normal({rows, f}), offsets = in.integers({3}, begin, begin + 1);
        offsets.as<int32_t>()[2] = end;
        return {{out}, [=](Backend b, Context& c) { pick(b, ref::grouped_silu_mul, grouped_silu_mul)(out, x, offsets, c); }};
      }};
}

// x is a slice of wider rows, as the q of a fused qkv is.
OpCase rope_case(RopePairs pairing, int64_t tokens, int64_t heads, int64_t head_dim, int64_t pairs) {
  return {.name = cat("rope/", pairing == RopePairs::half ? "half_" : "interleaved_", tokens, "x", heads, "x", head_dim, "x", pairs),
          .tolerance = rounding(0),
          .bytes = 16.0 * tokens * heads * pairs,
          .flops = 6.0 * tokens * heads * pairs,
          .make = [=](Inputs& in) -> OpRun {
            const Tensor before = in.normal({tokens, heads + 2, head_dim}), whole = in.copy(before);
            const Tensor x = whole.narrow(1, 0, heads);
            const Tensor table = in.empty(DType::f32, {tokens, 2, pairs});
            const Tensor positions = in.integers({tokens}, 0, 8192), inv_freq = in.empty(DType::f32, {pairs});
            for (int64_t i = 0; i < pairs; ++i)
              inv_freq.as<float>()[i] = static_cast<float>(std::pow(1e4, -static_cast<double>(i) / pairs));
            return {{whole},
                    [=](Backend b, Context& c) {
                      pick(b, ref::rope_table, rope_table)(table, positions, inv_freq, 1.0f, c);
                      pick(b, ref::rope, rope)(x, table, pairing, c);
                    },
                    [=] { std::copy_n(before.as<float>(), before.elements(), whole.as<float>()); }};
          }};
}

OpCase embedding_case(int64_t tokens, int64_t rows, int64_t hidden) {
  return {.name = cat("embedding/", tokens, "x", hidden),
          .bytes = 8.0 * tokens * hidden,
          .make = [=](Inputs& in) -> OpRun {
            PackedMatrix& table = in.keep(PackedMatrix(hidden, 0, hidden));
            const Tensor weights = in.normal({rows, hidden});
            table.append(DType::f32, rows, weights.data, hidden * 4);
            const Tensor ids = in.integers({tokens}, 0, 3 * static_cast<int32_t>(rows));  // the middle third is ours
            const Tensor out = in.empty(DType::f32, {tokens, hidden});
            return {{out}, [=, &table](Backend b, Context& c) { pick(b, ref::embedding, embedding)(out, ids, table, rows, c); }};
          }};
}

}  // namespace

void add_elementwise_cases(std::vector<OpCase>& cases) {
  for (auto [rows, n] : std::initializer_list<std::pair<int, int>>{{0, 64}, {1, 1}, {3, 15}, {5, 577}, {1, 576}, {512, 576}, {70, 4096}}) {
    cases.push_back(rms_norm_case(rows, n));
    cases.push_back(add_rms_norm_case(rows, n));
  }
  for (auto [tokens, heads, head_dim] : std::initializer_list<std::array<int, 3>>{{0, 3, 64}, {1, 0, 16}, {1, 32, 128}, {7, 5, 15}}) {
    cases.push_back(head_norm_case(tokens, heads, head_dim));
  }
  for (auto [rows, f] : std::initializer_list<std::pair<int, int>>{{0, 64}, {1, 1}, {3, 31}, {1, 1536}, {512, 1536}})
    cases.push_back(silu_mul_case(rows, f));
  cases.push_back(grouped_silu_mul_case(9, 100, 2, 7));
  cases.push_back(grouped_silu_mul_case(9, 100, 9, 9));
  for (RopePairs pairing : {RopePairs::half, RopePairs::interleaved}) {
    cases.push_back(rope_case(pairing, 0, 3, 64, 32));
    cases.push_back(rope_case(pairing, 3, 1, 24, 12));
    cases.push_back(rope_case(pairing, 7, 5, 80, 16));
    cases.push_back(rope_case(pairing, 1, 9, 64, 32));
    cases.push_back(rope_case(pairing, 512, 9, 64, 32));
  }
  for (auto [tokens, hidden] : std::initializer_list<std::pair<int, int>>{{0, 64}, {1, 576}, {300, 100}})
    cases.push_back(embedding_case(tokens, 50, hidden));
}

}  // namespace weft::test
