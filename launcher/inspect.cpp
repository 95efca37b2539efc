#include "launcher/inspect.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "kernels/core/log.h"
#include "runtime/models/anatomy.h"
#include "runtime/models/model.h"
#include "runtime/weights/checkpoint.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) bad_input("cannot read ", path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Inspected {
  ModelConfig config;
  std::unique_ptr<Checkpoint> checkpoint;  // if there are weights to read
};

// A directory's weights, if it has any that can be read; a config alone is enough to say the rest.
std::unique_ptr<Checkpoint> open_weights(const fs::path& directory) {
  if (!fs::exists(directory / "model.safetensors") && !fs::exists(directory / "model.safetensors.index.json")) return nullptr;
  try {
    return Checkpoint::open(directory.string());
  } catch (const InputError& error) {
    log_warn(error.what(), "; this is from config.json alone");
    return nullptr;
  }
}

Inspected open(const std::string& path) {
  if (!fs::exists(path)) bad_input("model ", path, " does not exist");
  if (fs::is_directory(path)) {
    const fs::path config = fs::path(path) / "config.json";
    if (!fs::exists(config)) bad_input("model directory ", path, " has no config.json");
    auto checkpoint = open_weights(path);
    if (!checkpoint) return {read_model_config(read_file(config), "{}"), nullptr};
    return {read_model_config(*checkpoint), std::move(checkpoint)};
  }
  if (path.ends_with(".json")) return {read_model_config(read_file(path), "{}"), nullptr};
  auto checkpoint = Checkpoint::open(path);
  return {read_model_config(*checkpoint), std::move(checkpoint)};
}

DType config_dtype(const ModelConfig& config) {
  return config.dtype == "bfloat16" ? DType::bf16 : config.dtype == "float16" ? DType::f16 : DType::f32;
}

DType stored_dtype(const Inspected& model, const WeightRule& rule) {
  if (model.checkpoint)
    for (const WeightSource& source : rule.sources)
      if (model.checkpoint->has(source.name)) return model.checkpoint->info(source.name).dtype;
  return config_dtype(model.config);
}

std::string mib(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

std::string millions(int64_t n) {
  char text[32];
  std::snprintf(text, sizeof text, n < 10'000'000 ? "%.3f M" : "%.1f M", static_cast<double>(n) / 1e6);
  return text;
}

void print_text(const ModelConfig& c, const Mesh& mesh, const Anatomy& a, DType kv) {
  std::printf("%s: %d layers, hidden %lld, context %lld\n\n", c.model_type.c_str(), c.n_layers,
              static_cast<long long>(c.hidden_size), static_cast<long long>(c.max_position_embeddings));
  std::printf("%-10s %14s %14s  %s\n", "component", "parameters", "active", "kind");
  for (const auto& part : a.components)
    std::printf("%-10s %14s %14s  %s\n", part.name.c_str(), millions(part.parameters).c_str(), millions(part.active).c_str(),
                part.kind.c_str());
  std::printf("%-10s %14s %14s\n\n", "total", millions(a.parameters).c_str(), millions(a.active).c_str());
  std::printf("weights %s, KV cache %lld bytes a token (%s)\n\n", mib(a.weight_bytes).c_str(),
              static_cast<long long>(a.kv_bytes_per_token), name(kv));
  std::printf("%s\n%-6s %14s %22s\n", mesh.describe().c_str(), "rank", "weights", "KV bytes a token");
  for (int r = 0; r < mesh.world; ++r)
    std::printf("%-6d %14s %22lld\n", r, mib(a.rank_weight_bytes[r]).c_str(), static_cast<long long>(a.rank_kv_bytes_per_token[r]));
}

void print_json(const ModelConfig& c, const Mesh& mesh, const Anatomy& a, DType kv) {
  nlohmann::ordered_json out = {{"model_type", c.model_type},
                                {"n_layers", c.n_layers},
                                {"hidden_size", c.hidden_size},
                                {"max_position_embeddings", c.max_position_embeddings},
                                {"parameters", a.parameters},
                                {"active_parameters", a.active},
                                {"weight_bytes", a.weight_bytes},
                                {"kv_dtype", name(kv)},
                                {"kv_bytes_per_token", a.kv_bytes_per_token},
                                {"mesh", mesh.describe()}};
  for (const auto& part : a.components)
    out["components"].push_back({{"name", part.name}, {"kind", part.kind}, {"parameters", part.parameters}, {"active", part.active}});
  for (int r = 0; r < mesh.world; ++r)
    out["ranks"].push_back({{"rank", r}, {"weight_bytes", a.rank_weight_bytes[r]}, {"kv_bytes_per_token", a.rank_kv_bytes_per_token[r]}});
  std::printf("%s\n", out.dump().c_str());
}

}  // namespace

int run_inspect(const InspectOptions& options) {
  const Inspected model = open(options.path);
  const ModelConfig& c = model.config;
  // inspect plans for a mesh that need not be running: its world is what the flags ask for.
  const int world = options.mesh.tp.value_or(options.mesh.ep.value_or(1)) * options.mesh.pp.value_or(1) * options.mesh.dp.value_or(1);
  const Mesh mesh = Mesh::make(world, 0, options.mesh, c.n_heads, c.moe.n_experts);
  const DType kv = options.kv_dtype == "auto" ? DType::f16 : parse_dtype(options.kv_dtype).value_or(DType::q8_0);
  if (kv != DType::f32 && kv != DType::f16 && kv != DType::bf16)
    bad_input("--kv-dtype ", options.kv_dtype, " is not known; allowed are auto, f32, f16, bf16");
  const Anatomy a = anatomy(c, mesh, kv, [&](const WeightRule& rule) { return stored_dtype(model, rule); });
  options.json ? print_json(c, mesh, a, kv) : print_text(c, mesh, a, kv);
  return 0;
}

}  // namespace weft
