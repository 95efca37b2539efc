#include "runtime/engine/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/core/check.h"
#include "kernels/core/thread_pool.h"
#include "runtime/layers/forms.h"

namespace weft {
namespace {

class FakeCheckpoint final : public Checkpoint {
 public:
  explicit FakeCheckpoint(std::initializer_list<TensorInfo> tensors) {
    for (const TensorInfo& tensor : tensors) tensors_[std::to_string(tensors_.size())] = tensor;
  }
  bool is_gguf() const override { return false; }
  std::string config_json() const override { return "{}"; }
  std::string generation_config_json() const override { return "{}"; }
};

ModelInfo model() {
  ModelInfo config;
  config.max_tp = 9;
  config.max_position_embeddings = config.trained_length = 20000;
  return config;
}

TEST(DefaultArithmetic, FollowsTheWeights) {
  EXPECT_EQ(default_arithmetic(FakeCheckpoint({{DType::f32, {64, 64}}})), Arithmetic::f32);
  EXPECT_EQ(default_arithmetic(FakeCheckpoint({{DType::f32, {64}}, {DType::bf16, {64, 64}}})), Arithmetic::bf16);
  EXPECT_EQ(default_arithmetic(FakeCheckpoint({{DType::f32, {64}}, {DType::f16, {64, 64}}})), Arithmetic::f16);
  EXPECT_EQ(default_arithmetic(FakeCheckpoint({{DType::f32, {64, 64}}, {DType::q4_K, {1, 256}}})), Arithmetic::q8);
}

TEST(Resolve, FillsInTheDefaults) {
  const FakeCheckpoint checkpoint({{DType::q8_0, {64, 64}}});
  const Settings s = resolve({}, model(), checkpoint, 2, 1);
  EXPECT_EQ(s.arithmetic, Arithmetic::q8);
  EXPECT_EQ(s.kv_dtype, DType::f16);
  EXPECT_EQ(s.max_model_len, 8192);
  EXPECT_EQ(s.mesh.tp, 2);
  EXPECT_EQ(s.mesh.rank, 1);
  EXPECT_EQ(s.limits.max_tokens, 512);
  EXPECT_EQ(s.limits.max_rows, 64);
}

TEST(Resolve, TakesWhatIsAsked) {
  EngineConfig config;
  config.dtype = "f32";
  config.kv_dtype = "bf16";
  config.max_model_len = 30000;
  config.max_batch_tokens = 7;
  const Settings s = resolve(config, model(), FakeCheckpoint({{DType::q8_0, {64, 64}}}), 1, 0);
  EXPECT_EQ(s.arithmetic, Arithmetic::f32);
  EXPECT_EQ(s.kv_dtype, DType::bf16);
  EXPECT_EQ(s.max_model_len, 30000);
  EXPECT_EQ(s.limits.max_rows, 7);
}

// max_position_embeddings as published by Llama 2, Llama 3.1, a linear one, Qwen2.5 with its card's YaRN, DeepSeek-V2's kind.
TEST(TrainedLength, IsThatAfterScaling) {
  using Type = RopeForm::Type;
  const auto length = [](int64_t positions, Type type, double factor, int64_t original) {
    RopeForm rope;
    rope.type = type;
    rope.factor = factor;
    rope.original_max_position_embeddings = original;
    return trained_length(positions, rope);
  };
  EXPECT_EQ(length(4096, Type::plain, 1, 0), 4096);
  EXPECT_EQ(length(131072, Type::llama3, 8, 8192), 131072);
  EXPECT_EQ(length(4096, Type::linear, 4, 0), 16384);
  EXPECT_EQ(length(32768, Type::yarn, 4, 32768), 131072);
  EXPECT_EQ(length(163840, Type::yarn, 40, 4096), 163840);
  EXPECT_EQ(length(2048, Type::linear, 1.5, 0), 3072);
}

TEST(BeyondTraining, IsOneSentence) {
  EXPECT_EQ(beyond_training(20000, model()), "");
  EXPECT_EQ(beyond_training(20001, model()),
            "--max-model-len 20001 is beyond the 20000 tokens that the model was trained for; answers get worse there");
}

TEST(Resolve, RefusesUnknownNames) {
  const FakeCheckpoint checkpoint({});
  EngineConfig dtype, kv;
  dtype.dtype = "int3";
  kv.kv_dtype = "q8_0";
  EXPECT_THAT([&] { resolve(dtype, model(), checkpoint, 1, 0); },
              ::testing::ThrowsMessage<InputError>(::testing::HasSubstr("int3")));
  EXPECT_THAT([&] { resolve(kv, model(), checkpoint, 1, 0); },
              ::testing::ThrowsMessage<InputError>(::testing::HasSubstr("q8_0")));
}

TEST(CheckConfig, RefusesAbsurdFlags) {
  const auto refused = [](auto change) {
    EngineConfig config;
    check_config(config);
    change(config);
    EXPECT_THROW(check_config(config), InputError);
  };
  refused([](EngineConfig& c) { c.threads = -1; });
  refused([](EngineConfig& c) { c.max_model_len = -1; });
  refused([](EngineConfig& c) { c.max_seqs = 0; });
  refused([](EngineConfig& c) { c.max_batch_tokens = 0; });
  refused([](EngineConfig& c) { c.kv_memory = -5; });
  refused([](EngineConfig& c) { c.block_size = 24; });
  refused([](EngineConfig& c) { c.block_size = 0; });
  refused([](EngineConfig& c) { c.device = "cuda"; });
  refused([](EngineConfig& c) { c.device = "tpu"; });
}

TEST(AffordableBlocks, AreThoseNeededOrThoseThatFit) {
  Settings s;
  s.max_model_len = 100;
  s.max_seqs = 3;
  s.block_size = 16;
  const KvShape shape{.layers = {2, {Dim::whole(1), 8, 8}}, .block_size = 16, .dtype = DType::f16};
  ASSERT_EQ(shape.block_bytes(), 2 * 2 * 8 * 16 * 2);
  EngineConfig config;
  const int64_t block = shape.block_bytes();
  const MemoryLimit roomy{64 * 1000 * block, 64 * 1000 * block, "RAM"};
  EXPECT_EQ(affordable_blocks(config, s, shape, roomy, 0), 21);
  config.kv_memory = 5 * block + 1;
  EXPECT_EQ(affordable_blocks(config, s, shape, roomy, 0), 5);
  config.kv_memory = block - 1;
  EXPECT_THROW(affordable_blocks(config, s, shape, roomy, 0), InputError);
}

// Weights, workspace, KV cache and a sixteenth for others never exceed what is available.
TEST(AffordableBlocks, AreWhatWeightsLeave) {
  Settings s;
  s.max_model_len = 8192;
  s.max_seqs = 64;
  s.block_size = 16;
  const KvShape shape{.layers = {2, {Dim::whole(1), 8, 8}}, .block_size = 16, .dtype = DType::f16};
  const int64_t block = shape.block_bytes();
  const MemoryLimit share{64 * block, 60 * block, "/sys/fs/cgroup/box/memory.max"};
  EngineConfig config;
  EXPECT_EQ(affordable_blocks(config, s, shape, share, 0), 16) << "a quarter";
  EXPECT_EQ(affordable_blocks(config, s, shape, share, 50 * block), 6) << "60 - 50 - 64 / 16";
  EXPECT_THAT([&] { affordable_blocks(config, s, shape, share, 56 * block); },
              ::testing::ThrowsMessage<InputError>(::testing::HasSubstr("/sys/fs/cgroup/box/memory.max")));
  config.kv_memory = 6 * block;
  EXPECT_EQ(affordable_blocks(config, s, shape, share, 50 * block), 6);
  config.kv_memory = 7 * block;
  EXPECT_THAT([&] { affordable_blocks(config, s, shape, share, 50 * block); },
              ::testing::ThrowsMessage<InputError>(::testing::HasSubstr("--kv-memory asks for")));
}

TEST(WeightsFit, OrTheSentenceNamesTheLimit) {
  const MemoryLimit share = share_of({700 << 20, 600 << 20, "/sys/fs/cgroup/box/memory.max"}, 2);
  check_weights_fit(300 << 20, share);
  EXPECT_THAT([&] { check_weights_fit(301 << 20, share); },
              ::testing::ThrowsMessage<InputError>("the weights take 301 MiB a rank; a rank's share of "
                                                   "/sys/fs/cgroup/box/memory.max is 350 MiB, of which 300 are free"));
}

TEST(FitModelLen, CutsTheDefaultAndRefusesAWish) {
  Settings s;
  s.max_model_len = 100;
  s.block_size = 16;
  s.kv_blocks = 5;
  EngineConfig config;
  config.max_model_len = 100;
  EXPECT_THROW(fit_model_len(s, config), InputError);
  config.max_model_len = 0;
  fit_model_len(s, config);
  EXPECT_EQ(s.max_model_len, 80);
}

TEST(ResolveThreads, DividesTheCpusAmongRanksThatShareThem) {
  std::vector<RankComm> ranks = thread_ranks(2);
  std::thread other([&] { EXPECT_EQ(resolve_threads(7, *ranks[1].host), 7); });
  EXPECT_EQ(resolve_threads(0, *ranks[0].host), std::max(1, available_cpus() / 2));
  other.join();
}

}  // namespace
}  // namespace weft
