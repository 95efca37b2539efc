// Every row map on tensors whose cells count, so that each says where it lay: a permutation covers a tensor as well as the right
// map does, and only values tell them apart.
#include "runtime/weights/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/quant/quant.h"
#include "runtime/weights/safetensors.h"
#include "tests/runtime/weights/model_files.h"

namespace weft {
namespace {

using testing::HasSubstr;

class LoaderTest : public testing::Test {
 protected:
  // Values count up along the stored tensor. f32 holds them exactly; the other types here up to 255.
  void tensor(const std::string& name, const std::vector<int64_t>& shape, DType dtype = DType::f32) {
    header_.push_back({name, {dtype, shape}});
  }

  void write() {
    SafetensorsWriter writer(directory_ / "model.safetensors", header_);
    for (const auto& [name, info] : header_) {
      int64_t n = 1;
      for (const int64_t dim : info.shape) n *= dim;
      std::vector<float> values(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) values[i] = static_cast<float>(info.dtype == DType::f32 ? i : i % 251);
      std::vector<std::byte> bytes(static_cast<size_t>(dtype_bytes(info.dtype, n)));
      if (info.dtype != DType::i32) quant::quantize(info.dtype, values.data(), bytes.data(), n);
      writer.write(name, bytes.data(), bytes.size());
    }
    writer.finish();
    directory_.write("config.json", R"({"model_type": "llama"})");
    checkpoint_ = Checkpoint::open(directory_.path());
    tensors_.emplace(*checkpoint_, "llama");
  }

  // What `declare` declares, loaded on every rank of jobs of 1 to 4 ranks, experts whole and in slices.
  void on_ranks(const std::function<std::function<void()>(const Build&)>& declare) {
    for (const int ranks : {1, 2, 3, 4})
      for (int rank = 0; rank < ranks; ++rank)
        for (const int ep : ranks == 1 ? std::vector{1} : std::vector{1, ranks}) {
          SCOPED_TRACE(cat("rank ", rank, " of ", ranks, ", ep ", ep));
          Loader loader(Mesh{.world = ranks, .tp = ranks, .ep = ep, .rank = rank}, &*tensors_);
          const std::function<void()> check = declare(Build(loader, ConfigReader("{}")));
          loader.check("test");
          const auto weights = loader.take_weights();
          const Loaded loaded = loader.read(*weights, pool_);
          EXPECT_EQ(loaded.read, loaded.kept);
          check();
        }
  }

  // The next rows of `matrix` are those of `part`: row r, column c is the cell stored(r, c) of its tensor.
  static void expect_rows(const PackedMatrix& matrix, int64_t& next, const Dim& rows, const Dim& columns,
                          const std::function<int64_t(int64_t, int64_t)>& stored) {
    std::vector<float> row(static_cast<size_t>(columns.n()));
    for (int64_t r = rows.own().begin; r < rows.own().end; ++r) {
      matrix.unpack_row(next++, row.data());
      for (int64_t c = 0; c < columns.n(); ++c)
        ASSERT_EQ(row[c], static_cast<float>(stored(r, columns.own().begin + c))) << "row " << r << ", column " << c;
    }
  }

  test::TempDirectory directory_;
  std::vector<std::pair<std::string, TensorInfo>> header_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::optional<NamedTensors> tensors_;
  ThreadPool pool_{2};
};

// Phi-3: q, k and v one above the other; heads shared by queries; a product of columns.
TEST_F(LoaderTest, StackedQueriesKeysAndValues) {
  constexpr int64_t kHeads = 6, kKvHeads = 2, kDim = 40, kHidden = 70;
  tensor("qkv.weight", {(kHeads + 2 * kKvHeads) * kDim, kHidden});
  tensor("qkv.bias", {(kHeads + 2 * kKvHeads) * kDim});
  tensor("o.weight", {kHidden, kHeads * kDim});
  write();
  on_ranks([&](const Build& b) {
    const Dim heads = b.heads(kHeads), q = heads.times(kDim), kv = b.serving(kKvHeads, heads).times(kDim), hidden = Dim::whole(kHidden);
    const int64_t k_first = kHeads * kDim, v_first = k_first + kKvHeads * kDim;
    const PackedMatrix* qkv = b.matrix({part("qkv", q, true), part("qkv", kv, true, {.first = k_first}), part("qkv", kv, true, {.first = v_first})}, hidden);
    const PackedMatrix* o = b.matrix({part("o", hidden)}, q);
    return [=] {
      int64_t next = 0;
      for (const auto& [rows, first] : {std::pair(q, int64_t{0}), {kv, k_first}, {kv, v_first}}) {
        for (int64_t r = 0; r < rows.n(); ++r)
          ASSERT_EQ(qkv->bias()[next + r], static_cast<float>(first + rows.own().begin + r));
        expect_rows(*qkv, next, rows, hidden, [&](int64_t r, int64_t c) { return (first + r) * kHidden + c; });
      }
      EXPECT_EQ(next, qkv->n());
      int64_t row = 0;
      expect_rows(*o, row, hidden, q, [&](int64_t r, int64_t c) { return r * kHeads * kDim + c; });
    };
  });
}

// GPT-NeoX and BLOOM: q, k and v head by head.
TEST_F(LoaderTest, QueriesKeysAndValuesHeadByHead) {
  constexpr int64_t kHeads = 5, kDim = 12, kHidden = 50;
  tensor("qkv.weight", {kHeads * 3 * kDim, kHidden});
  tensor("qkv.bias", {kHeads * 3 * kDim});
  write();
  on_ranks([&](const Build& b) {
    const Dim q = b.heads(kHeads).times(kDim), hidden = Dim::whole(kHidden);
    std::vector<Part> parts;
    for (int64_t i = 0; i < 3; ++i) parts.push_back(part("qkv", q, true, {.first = i * kDim, .block = kDim, .stride = 3 * kDim}));
    const PackedMatrix* qkv = b.matrix(parts, hidden);
    return [=] {
      int64_t next = 0;
      for (int64_t i = 0; i < 3; ++i) {
        const auto stored = [&](int64_t r) { return r / kDim * 3 * kDim + i * kDim + r % kDim; };
        for (int64_t r = 0; r < q.n(); ++r) ASSERT_EQ(qkv->bias()[next + r], static_cast<float>(stored(q.own().begin + r)));
        expect_rows(*qkv, next, q, hidden, [&](int64_t r, int64_t c) { return stored(r) * kHidden + c; });
      }
      EXPECT_EQ(next, qkv->n());
    };
  });
}

// GPT-2's Conv1D: (in, out), biases as everywhere. Both kinds of product.
TEST_F(LoaderTest, TransposedMatrices) {
  constexpr int64_t kHeads = 4, kDim = 24, kHidden = kHeads * kDim, kOut = 70;
  tensor("c_attn.weight", {kHidden, 3 * kHidden});
  tensor("c_attn.bias", {3 * kHidden});
  tensor("c_proj.weight", {kHidden, kOut}, DType::bf16);
  write();
  on_ranks([&](const Build& b) {
    const Dim q = b.heads(kHeads).times(kDim), hidden = Dim::whole(kHidden), out = Dim::whole(kOut);
    std::vector<Part> parts;
    for (int64_t i = 0; i < 3; ++i) parts.push_back(part("c_attn", q, true, {.first = i * kHidden, .transposed = true}));
    const PackedMatrix* qkv = b.matrix(parts, hidden);
    const PackedMatrix* proj = b.matrix({part("c_proj", out, false, {.transposed = true})}, q);
    return [=] {
      int64_t next = 0, row = 0;
      for (int64_t i = 0; i < 3; ++i) {
        for (int64_t r = 0; r < q.n(); ++r) ASSERT_EQ(qkv->bias()[next + r], static_cast<float>(i * kHidden + q.own().begin + r));
        expect_rows(*qkv, next, q, hidden, [&](int64_t r, int64_t c) { return c * 3 * kHidden + i * kHidden + r; });
      }
      expect_rows(*proj, row, out, q, [&](int64_t r, int64_t c) { return (c * kOut + r) % 251; });
    };
  });
}

// DeepSeek: of each head keys, used from the latent's side, and then values.
TEST_F(LoaderTest, KeysAndValuesOfALatent) {
  constexpr int64_t kHeads = 5, kNope = 24, kValue = 16, kLatent = 50;
  tensor("kv_b.weight", {kHeads * (kNope + kValue), kLatent});
  write();
  on_ranks([&](const Build& b) {
    const Copies heads = Copies::of(b.heads(kHeads));
    const Dim latent = Dim::whole(kLatent), nope = Dim::whole(kNope), value = Dim::whole(kValue);
    const auto* keys = b.stack({part("kv_b", latent, false, {.transposed = true})}, nope, heads);
    const auto* values = b.stack({part("kv_b", value, false, {.first = kNope})}, latent, heads);
    const std::vector<int> held = b.heads(kHeads).ranks == 1 ? heads.held(0) : heads.held(b.heads(kHeads).rank);
    return [=] {
      ASSERT_EQ(keys->size(), held.size());
      for (size_t i = 0; i < held.size(); ++i) {
        const int64_t head = held[i] * (kNope + kValue);
        int64_t row = 0, next = 0;
        expect_rows((*keys)[i], row, latent, nope, [&](int64_t r, int64_t c) { return (head + c) * kLatent + r; });
        expect_rows((*values)[i], next, value, latent, [&](int64_t r, int64_t c) { return (head + kNope + r) * kLatent + c; });
      }
    };
  });
}

// Gate and up of all experts in one tensor: one above the other, or row by row in turn and (in, out), with biases (gpt-oss).
TEST_F(LoaderTest, FusedExperts) {
  constexpr int64_t kExperts = 5, kWidth = 400, kHidden = 36;
  tensor("stacked", {kExperts, 2 * kWidth, kHidden});
  tensor("turned", {kExperts, kHidden, 2 * kWidth});
  tensor("turned_bias", {kExperts, 2 * kWidth});
  tensor("down", {kExperts, kHidden, kWidth});
  write();
  on_ranks([&](const Build& b) {
    const Copies experts = b.experts(kExperts, 2);
    const Dim width = experts.slices(kWidth), hidden = Dim::whole(kHidden);
    const auto* stacked = b.stack({{"stacked", "", width, {.first = kWidth}}, {"stacked", "", width}}, hidden, experts);  // up first
    const auto* turned = b.stack({{"turned", "turned_bias", width, {.first = 0, .block = 1, .stride = 2, .transposed = true}},
                                  {"turned", "turned_bias", width, {.first = 1, .block = 1, .stride = 2, .transposed = true}}},
                                 hidden, experts);
    const auto* down = b.stack({{"down", "", hidden}}, width, experts);
    const std::vector<int> held = experts.held(b.slices(1).rank);
    return [=] {
      ASSERT_EQ(stacked->size(), held.size());
      for (size_t i = 0; i < held.size(); ++i) {
        const int64_t e = held[i];
        int64_t next[3] = {};
        for (const int64_t half : {0, 1}) {
          expect_rows((*stacked)[i], next[0], width, hidden,
                      [&](int64_t r, int64_t c) { return ((e * 2 + 1 - half) * kWidth + r) * kHidden + c; });
          for (int64_t r = 0; r < width.n(); ++r)
            ASSERT_EQ((*turned)[i].bias()[next[1] + r], static_cast<float>(e * 2 * kWidth + 2 * (width.own().begin + r) + half));
          expect_rows((*turned)[i], next[1], width, hidden,
                      [&](int64_t r, int64_t c) { return (e * kHidden + c) * 2 * kWidth + 2 * r + half; });
        }
        expect_rows((*down)[i], next[2], hidden, width, [&](int64_t r, int64_t c) { return (e * kHidden + r) * kWidth + c; });
      }
    };
  });
}

// Longer than what is read at a time, in each of the ways to read.
TEST_F(LoaderTest, TensorsOfManyPieces) {
  constexpr int64_t kRows = 3000, kColumns = 1500;
  for (const char* name : {"rows.weight", "columns.weight", "turned.weight"}) tensor(name, {kRows, kColumns}, DType::bf16);
  write();
  on_ranks([&](const Build& b) {
    const Dim rows = b.slices(kRows), columns = b.slices(kColumns);
    const PackedMatrix* by_rows = b.matrix({part("rows", rows)}, Dim::whole(kColumns));
    const PackedMatrix* by_columns = b.matrix({part("columns", Dim::whole(kRows))}, columns);
    const PackedMatrix* turned = b.matrix({part("turned", columns, false, {.transposed = true})}, Dim::whole(kRows));
    return [=] {
      const auto cell = [&](int64_t r, int64_t c) { return (r * kColumns + c) % 251; };
      int64_t next[3] = {};
      expect_rows(*by_rows, next[0], rows, Dim::whole(kColumns), cell);
      expect_rows(*by_columns, next[1], Dim::whole(kRows), columns, cell);
      expect_rows(*turned, next[2], columns, Dim::whole(kRows), [&](int64_t r, int64_t c) { return cell(c, r); });
    };
  });
}

TEST_F(LoaderTest, NamesWhatIsMissingMisshapenUnusedAndUnreadable) {
  tensor("a.weight", {3, 4});
  tensor("b.weight", {7});
  tensor("ids.weight", {2}, DType::i32);
  write();
  const auto refused = [&](const std::function<void(const Build&)>& declare) {
    Loader loader({}, &*tensors_);
    declare(Build(loader, ConfigReader("{}")));
    return test::refusal([&] { loader.check("test"); });
  };
  const auto ids = [](const Build& b) { b.ignore("ids."); };
  const auto a = [](const Build& b) { b.matrix({part("a", Dim::whole(3))}, Dim::whole(4)); };
  EXPECT_THAT(refused(a), HasSubstr("tensor \"ids.weight\" has type I32, which Weft does not read"));
  EXPECT_THAT(refused([&](const Build& b) { b.matrix({part("ids", Dim::whole(2))}, Dim::whole(4)); }), HasSubstr("has type I32"));
  EXPECT_THAT(refused([&](const Build& b) { ids(b), a(b); }), HasSubstr("tensor b.weight is not part of a test model"));
  EXPECT_THAT(refused([&](const Build& b) { ids(b), b.matrix({part("a", Dim::whole(4))}, Dim::whole(3)); }),
              HasSubstr("tensor a.weight has shape (3, 4), the config asks for (4, 3)"));
  EXPECT_THAT(refused([&](const Build& b) { ids(b), a(b), b.vector("c.weight", Dim::whole(7)); }), HasSubstr("tensor c.weight is missing"));
}

}  // namespace
}  // namespace weft
