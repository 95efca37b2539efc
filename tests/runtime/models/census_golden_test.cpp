// What real models declare: the same with and without a checkpoint, and from one no rank reads more than it keeps.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "kernels/core/log.h"
#include "runtime/models/anatomy.h"
#include "runtime/models/model.h"
#include "runtime/models/stored_tensors.h"
#include "runtime/weights/convert.h"
#include "runtime/weights/loader.h"
#include "tests/runtime/models/golden.h"
#include "tests/runtime/weights/model_files.h"
#include "tests/support/source_dir.h"

namespace weft {
namespace {

using nlohmann::json;

std::string described(const Census& census) {
  std::map<std::string, int64_t> cells;  // of this rank: experts may be spelled one by one or fused, their size is one
  for (const Census::Weight& weight : census.weights())
    for (const Part& part : weight.parts)
      cells[weight.component] += std::ssize(weight.copies.held(census.mesh().rank)) * part.rows.n() *
                                 ((weight.is_vector ? 1 : weight.columns.n()) + (part.bias.empty() ? 0 : 1));
  std::string text;
  for (const auto& [component, n] : cells) text += cat(component, " ", n, "\n");
  for (const Census::Module& module : census.modules()) text += cat(module.component, ": ", module.kind, "\n");
  for (const Paged& paged : census.paged()) text += cat(paged.heads.n(), " heads of ", paged.k, " and ", paged.v, "\n");
  for (const TableForm& table : census.tables()) text += cat("table of ", table.inv_freq.size(), "\n");
  return text + cat("tp to ", census.max_tp(), ", ", census.n_experts(), " experts");
}

class CensusGolden : public testing::TestWithParam<std::string> {};

// Names choose a spelling and nothing else: sizes, kinds and memory hang on the config alone.
TEST_P(CensusGolden, IsTheSameWithoutItsCheckpoint) {
  start_log("error");
  const auto checkpoint = Checkpoint::open(read_golden(GetParam()).model_path);
  const ModelFiles files = ModelFiles::read(*checkpoint);
  for (const Mesh& mesh : {Mesh{}, Mesh{.world = 2, .tp = 2, .rank = 1}, Mesh{.world = 3, .tp = 3, .rank = 2}}) {
    Census with(mesh, files.tensors.get()), without(mesh);
    make_model(with, files);
    make_model(without, files);
    with.check(files.model_type);
    EXPECT_EQ(described(with), described(without));
  }
}

INSTANTIATE_TEST_SUITE_P(All, CensusGolden, testing::ValuesIn(golden_names()), [](const auto& info) { return info.param; });

// A checkpoint of this config whose every byte is zero, in a file with holes.
std::unique_ptr<Checkpoint> empty_checkpoint(const test::TempDirectory& directory, const json& config, bool fused) {
  const ModelFiles files = ModelFiles::read(config.dump(), "{}");
  Census census;
  make_model(census, files);
  json header;
  int64_t end = 0;
  const auto add = [&](const std::string& name, const std::vector<int64_t>& shape) {
    int64_t bytes = 2;
    for (const int64_t dim : shape) bytes *= dim;
    header[name] = {{"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {end, end + bytes}}};
    end += bytes;
  };
  for (const StoredTensor& t : stored_tensors(census, DType::bf16)) {
    const size_t expert = t.name.find("{e}.");
    if (expert == std::string::npos || !fused) {
      for (int64_t e = 0; e < t.tensors; ++e) add(name_of_copy(t.name, e), t.shape);
    } else if (const std::string experts = t.name.substr(0, expert); t.name.ends_with("gate_proj.weight")) {
      add(experts + "gate_up_proj", {t.tensors, 2 * t.shape[0], t.shape[1]});
    } else if (t.name.ends_with("down_proj.weight")) {
      add(experts + "down_proj", {t.tensors, t.shape[0], t.shape[1]});
    }
  }
  directory.write("config.json", config.dump());
  const std::string file = directory.write("model.safetensors", test::raw(uint64_t{header.dump().size()}) + header.dump());
  std::filesystem::resize_file(file, std::filesystem::file_size(file) + static_cast<uintmax_t>(end));
  return Checkpoint::open(directory.path());
}

json small(const std::string& model) {
  json config = json::parse(std::ifstream(source_dir() / "configs/models" / model));
  config.update({{"hidden_size", 768},
                 {"intermediate_size", 2080},
                 {"num_hidden_layers", 2},
                 {"num_attention_heads", 12},
                 {"num_key_value_heads", 4},
                 {"head_dim", 64},
                 {"vocab_size", 3001}});
  if (config.contains("num_local_experts")) config["num_local_experts"] = 5;
  if (config.contains("num_experts"))
    config["num_experts"] = 5, config["moe_intermediate_size"] = 1056, config["num_experts_per_tok"] = 2;
  return config;
}

// Bytes of the cells that a rank computes with, in the stored types.
int64_t needed(const Census& census, int rank) {
  int64_t bytes = 0;
  for (const Census::Weight& weight : census.weights())
    for (const Part& part : weight.parts)
      for (const int e : weight.copies.held(rank)) {
        const DType dtype = census.dtype(name_of_copy(part.weight, e), DType::f32);
        const int64_t rows = part.rows.held(rank).size(), columns = weight.is_vector ? 1 : weight.columns.held(rank).size();
        bytes += rows * columns * dtype_info(dtype).block_bytes / dtype_info(dtype).block_elements;
        if (!part.bias.empty()) bytes += rows * dtype_bytes(census.dtype(part.bias, DType::f32), 1);
      }
  return bytes;
}

// What this process asked of the kernel by read(2) and its kind; 0 where the kernel does not tell.
int64_t bytes_asked() {
  std::ifstream io("/proc/self/io");
  std::string word;
  int64_t bytes = 0;
  io >> word >> bytes;
  return word == "rchar:" ? bytes : 0;
}

void expect_little_is_read(Checkpoint& checkpoint, int64_t parameters) {
  const ModelFiles files = ModelFiles::read(checkpoint);
  ThreadPool pool(2);
  for (const int ranks : {1, 2, 3, 4})
    for (const int ep : std::set{1, ranks}) {
      int64_t all = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        SCOPED_TRACE(cat("rank ", rank, " of ", ranks, ", ep ", ep));
        Loader loader(Mesh{.world = ranks, .tp = ranks, .ep = ep, .rank = rank}, files.tensors.get());
        const Model model = make_model(loader, files);
        loader.check(files.model_type);
        const int64_t asked = bytes_asked();
        const Loaded loaded = loader.read(*model.weights, pool);
        EXPECT_LE(bytes_asked() - asked, loaded.read + 1024);
        const auto least = static_cast<double>(needed(loader, rank));
        EXPECT_GE(static_cast<double>(loaded.read), least);
        EXPECT_LE(static_cast<double>(loaded.read), 1.05 * least);
        EXPECT_LE(static_cast<double>(loaded.read), 1.05 * static_cast<double>(loaded.kept));
        all += loaded.read;
      }
      if (ranks == 1) {
        EXPECT_EQ(all, parameters);
      }
      EXPECT_GE(all, parameters);
      EXPECT_LE(static_cast<double>(all), 1.1 * static_cast<double>(parameters));  // norms and routers once a rank
    }
}

TEST(Load, ReadsWhatItKeeps) {
  start_log("error");
  for (const auto& [model, fused] : {std::pair("llama-3.1-8b.json", false),
                                     {"mixtral-8x7b.json", false},
                                     {"qwen3-30b-a3b.json", false},
                                     {"qwen3-30b-a3b.json", true}}) {
    SCOPED_TRACE(cat(model, fused ? ", fused experts" : ""));
    const test::TempDirectory directory;
    const auto checkpoint = empty_checkpoint(directory, small(model), fused);
    int64_t bytes = 0;
    for (const auto& [name, info] : checkpoint->tensors()) bytes += std::ssize(checkpoint->read(name));
    expect_little_is_read(*checkpoint, bytes);
  }
}

TEST(Load, ReadsWholeBlocksOfItsColumns) {
  start_log("error");
  const test::TempDirectory directory;
  empty_checkpoint(directory, small("mixtral-8x7b.json"), false);
  convert(directory.path(), DType::q8_0, directory / "q8.gguf");
  const auto checkpoint = Checkpoint::open(directory / "q8.gguf");
  int64_t bytes = 0;
  for (const auto& [name, info] : checkpoint->tensors()) bytes += std::ssize(checkpoint->read(name));
  expect_little_is_read(*checkpoint, bytes);
}

}  // namespace
}  // namespace weft
