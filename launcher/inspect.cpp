#include "launcher/inspect.h"

#include <algorithm>
#include <filesystem>

#include "kernels/core/log.h"
#include "launcher/inspect_report.h"
#include "runtime/engine/settings.h"
#include "runtime/models/model.h"
#include "runtime/weights/json.h"
#include "runtime/weights/tensor_copy.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

struct Inspected {
  std::unique_ptr<Checkpoint> checkpoint;  // if there are weights to read
  ModelFiles files;
};

// A directory's weights, if it has any that can be read; a config alone is enough to say the rest.
std::unique_ptr<Checkpoint> open_weights(const fs::path& directory) {
  if (!fs::exists(directory / "model.safetensors") && !fs::exists(directory / "model.safetensors.index.json"))
    return nullptr;
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
    if (!checkpoint) return {nullptr, ModelFiles::read(read_text_file(config.string()), "{}")};
    ModelFiles files = ModelFiles::read(*checkpoint);
    return {std::move(checkpoint), std::move(files)};
  }
  if (path.ends_with(".json")) return {nullptr, ModelFiles::read(read_text_file(path), "{}")};
  auto checkpoint = Checkpoint::open(path);
  ModelFiles files = ModelFiles::read(*checkpoint);
  return {std::move(checkpoint), std::move(files)};
}

DType config_dtype(const ModelInfo& config) {
  return config.dtype == "bfloat16" ? DType::bf16 : config.dtype == "float16" ? DType::f16 : DType::f32;
}

// What is there, read by Weft or not (bytes and parameters then count as none).
std::map<std::string, Inspection::Stored> stored_types(const Checkpoint& checkpoint) {
  std::map<std::string, Inspection::Stored> types;
  for (const auto& [tensor, info] : checkpoint.tensors()) {
    Inspection::Stored& stored = types[name(info.dtype)];
    const int64_t rows = row_count(info);
    ++stored.tensors;
    stored.parameters += rows * row_length(info);
    stored.bytes += rows * dtype_bytes(info.dtype, row_length(info));
  }
  for (const auto& [tensor, type] : checkpoint.unreadable()) ++types[type].tensors;
  return types;
}

int64_t largest_rank(const Anatomy& a, int64_t tokens) {
  int64_t most = 0;
  for (size_t r = 0; r < a.rank_weight_bytes.size(); ++r)
    most = std::max(most, a.rank_weight_bytes[r] + tokens * a.rank_kv_bytes_per_token[r]);
  return most;
}

class Inspector {
 public:
  Inspector(const InspectOptions& options, const std::string& path)
      : options_(options), path_(path), model_(open(path)), info_(info_of(model_.files)) {
    if (options.kv_dtype != "auto") kv_ = parse_dtype(options.kv_dtype).value_or(DType::q8_0);
    if (kv_ != DType::f32 && kv_ != DType::f16 && kv_ != DType::bf16)
      bad_input("--kv-dtype ", options.kv_dtype, " is not known; allowed are auto, f32, f16, bf16");
  }

  Inspection inspect() const {
    // A mesh that need not be running: its world is what the flags ask for.
    const MeshRequest& m = options_.mesh;
    const Mesh mesh = make_mesh(m.tp.value_or(m.ep.value_or(1)) * m.pp.value_or(1) * m.dp.value_or(1), m);
    Inspection result{path_, info_, mesh, kv_, anatomy_of(mesh), {}, {}, {}};
    if (options_.weights) result.tensors = tensors_of(mesh);
    if (model_.checkpoint) result.types = stored_types(*model_.checkpoint);
    const EngineConfig defaults;
    for (const int64_t len : or_default(options_.max_model_len, default_model_len(info_)))
      for (const int64_t seqs : or_default(options_.max_seqs, defaults.max_seqs))
        result.needs.push_back(need(
            len, seqs, (len + defaults.block_size - 1) / defaults.block_size * defaults.block_size * seqs, result.anatomy));
    return result;
  }

 private:
  static std::vector<int64_t> or_default(const std::vector<int64_t>& values, int64_t fallback) {
    return values.empty() ? std::vector{fallback} : values;
  }

  Mesh make_mesh(int world, const MeshRequest& request) const {
    return Mesh::make(world, 0, request, info_.max_tp, info_.n_experts);
  }

  Anatomy anatomy_of(const Mesh& mesh) const {
    Census census(mesh, model_.files.tensors.get());
    make_model(census, model_.files);
    return anatomy(census, kv_, config_dtype(info_));
  }

  std::vector<StoredTensor> tensors_of(const Mesh& mesh) const {
    Census census(mesh, model_.files.tensors.get());
    make_model(census, model_.files);
    return stored_tensors(census, config_dtype(info_));
  }

  Inspection::Need need(int64_t len, int64_t seqs, int64_t tokens, const Anatomy& a) const {
    Inspection::Need result{len, seqs, tokens * a.kv_bytes_per_token, largest_rank(a, tokens), {}, {}};
    if (options_.memory == 0) return result;
    const int64_t room = options_.memory - left_to_others(options_.memory);
    result.fits = result.rank_bytes <= room;
    const int64_t least = (a.weight_bytes + result.kv_bytes + room - 1) / room;  // no rank can have less than its share
    for (int64_t world = std::max<int64_t>(least, 1); world <= info_.max_tp && !result.ranks; ++world)
      if (largest_rank(anatomy_of(make_mesh(static_cast<int>(world), {})), tokens) <= room)
        result.ranks = static_cast<int>(world);
    return result;
  }

  const InspectOptions& options_;
  std::string path_;
  Inspected model_;
  ModelInfo info_;
  DType kv_ = DType::f16;
};

}  // namespace

int run_inspect(const InspectOptions& options) {
  std::vector<Inspection> models;
  for (const std::string& path : options.paths) {
    models.push_back(Inspector(options, path).inspect());
    if (options.max_model_len.empty()) continue;
    const int64_t longest = *std::max_element(options.max_model_len.begin(), options.max_model_len.end());
    const std::string warning = beyond_training(longest, models.back().config);
    if (!warning.empty()) log_warn(path, ": ", warning);
  }
  if (options.json) {
    for (const Inspection& model : models) print_json(model, options.memory);
    return 0;
  }
  if (models.size() == 1 || options.weights)
    for (const Inspection& model : models) print_details(model);
  print_table(models, options.memory);
  return 0;
}

}  // namespace weft
