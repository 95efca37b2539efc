#include "runtime/weights/upcycle.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "kernels/core/check.h"
#include "kernels/core/progress.h"
#include "kernels/quant/quant.h"
#include "runtime/weights/checkpoint.h"
#include "runtime/weights/companion_files.h"
#include "runtime/weights/config_class.h"
#include "runtime/weights/gguf_config.h"
#include "runtime/weights/gguf_names.h"
#include "runtime/weights/hf_config.h"
#include "runtime/weights/json.h"
#include "runtime/weights/llama_layout.h"
#include "runtime/weights/safetensors.h"
#include "runtime/weights/tensor_copy.h"
#include "runtime/weights/tied_head.h"
#include "runtime/weights/tokenizer_files.h"

namespace weft {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::array<std::pair<const char*, const char*>, 3> kProjections = {
    {{"gate_proj", "w1"}, {"down_proj", "w2"}, {"up_proj", "w3"}}};

// The dense model by Hugging Face's names, whichever format it lies in.
class DenseModel {
 public:
  DenseModel(const std::string& path, const UpcycleOptions& options)
      : source_(Checkpoint::open(path)), type_(options.type), values_(options.values) {
    const json type = parse_json_object(source_->config_json(), "config.json").value("model_type", json());
    if (type != "llama" && type != "mistral")
      bad_input("model_type ", in_quotes(type.is_string() ? type.get<std::string>() : type.dump()),
                " cannot be upcycled: Mixtral's form holds dense llama and mistral models only");
    config_ = resolve_config(source_->config_json());
    shape_ = read_llama_family(source_->config_json());
    source_->check_types();
    head_differs_ = !source_->is_gguf() && shape_.tie_word_embeddings && !head_is_embedding(*source_);
    if (head_differs_) config_["tie_word_embeddings"] = shape_.tie_word_embeddings = false;
    const GgufNames names("llama");
    for (const auto& [name, info] : source_->tensors()) {
      if (is_quantised(info.dtype)) quantised_ = true;
      if (name == kGgufRopeFreqs || (shape_.tie_word_embeddings && name == "lm_head.weight")) continue;
      const auto translated = source_->is_gguf() ? names.to_hugging_face(name) : GgufNames::Found{name};
      if (!translated || name.ends_with(".bias"))
        bad_input(path, ": tensor ", in_quotes(name), " has no place in Mixtral's form");
      stored_names_[translated->name] = name;
      if (translated->rows == GgufName::Rows::rope_pairs) in_rope_pairs_.insert(translated->name);
    }
    if (source_->is_gguf()) carry_rope_freqs();
  }

  Checkpoint& checkpoint() { return *source_; }
  const json& config() const { return config_; }
  const LlamaFamilyShape& shape() const { return shape_; }
  bool head_differs() const { return head_differs_; }
  const std::map<std::string, std::string>& names() const { return stored_names_; }  // Hugging Face's -> stored

  TensorInfo info(const std::string& name) const {
    const auto stored = stored_names_.find(name);
    if (stored == stored_names_.end()) bad_input(source_->path(), " has no tensor ", in_quotes(name));
    TensorInfo result = source_->info(stored->second);
    result.dtype = type_.value_or(quantised_ ? DType::f32 : result.dtype);
    return result;
  }

  void copy(const std::string& name, const ByteSink& sink) {
    const std::string& stored = stored_names_.at(name);
    std::function<int64_t(int64_t)> rows;
    if (in_rope_pairs_.contains(name))
      rows = [head_dim = shape_.head_dim](int64_t row) { return half_to_interleaved(row, head_dim); };
    copy_tensor(*source_, stored, info(name).dtype, rows, values_, sink);
  }

 private:
  // GGUF stores Llama 3's scaling as divisors, config.json as the numbers they come from.
  void carry_rope_freqs() {
    if (!source_->has(kGgufRopeFreqs)) return;
    std::vector<float> divisors;
    copy_tensor(*source_, kGgufRopeFreqs, DType::f32, {}, Values::any, [&](const void* data, size_t bytes) {
      divisors.resize(bytes / sizeof(float));
      std::memcpy(divisors.data(), data, bytes);
    });
    const auto rope = recognise_llama3_rope(divisors, shape_.rope_theta);
    if (!rope) bad_input(source_->path(), ": ", kGgufRopeFreqs, " holds frequency factors that are not Llama 3's");
    config_["rope_parameters"] = {
        {"rope_type", "llama3"},
        {"rope_theta", shape_.rope_theta},
        {"factor", rope->factor},
        {"low_freq_factor", rope->low_freq_factor},
        {"high_freq_factor", rope->high_freq_factor},
        {"original_max_position_embeddings", static_cast<int64_t>(rope->original_max_position_embeddings)}};
  }

  std::unique_ptr<Checkpoint> source_;
  std::optional<DType> type_;
  Values values_;
  json config_;
  LlamaFamilyShape shape_;
  bool quantised_ = false, head_differs_ = false;
  std::map<std::string, std::string> stored_names_;
  std::set<std::string> in_rope_pairs_;  // of a GGUF
};

// One tensor of the output: a copy of a dense tensor, or (no source) a router.
struct OutputTensor {
  std::string name;
  TensorInfo info;
  std::string source;
};

std::vector<OutputTensor> plan(const DenseModel& model, int64_t experts) {
  std::vector<OutputTensor> tensors;
  int64_t mlp_tensors = 0;
  for (const auto& [name, stored] : model.names()) {
    if (name.find(".mlp.") == name.npos)
      tensors.push_back({name, model.info(name), name});
    else
      ++mlp_tensors;
  }
  if (mlp_tensors != 3 * model.shape().n_layers)
    bad_input("the model has ", mlp_tensors, " MLP matrices; ", model.shape().n_layers, " layers need three each");
  const TensorInfo embedding = model.info("model.embed_tokens.weight");
  for (int64_t layer = 0; layer < model.shape().n_layers; ++layer) {
    const std::string prefix = cat("model.layers.", layer, "."), moe = prefix + "block_sparse_moe.";
    tensors.push_back({moe + "gate.weight", {embedding.dtype, {experts, embedding.shape.back()}}, ""});
    for (int64_t e = 0; e < experts; ++e)
      for (const auto& [dense, w] : kProjections) {
        const std::string source = cat(prefix, "mlp.", dense, ".weight");
        tensors.push_back({cat(moe, "experts.", e, ".", w, ".weight"), model.info(source), source});
      }
  }
  return tensors;
}

// Uniform with variance 1 / hidden, so that logits of a normalised row have variance about 1. The engine's
// own bits are used: the standard's distributions differ between libraries.
std::vector<std::byte> random_router(const TensorInfo& info, std::mt19937_64& random) {
  const int64_t elements = info.shape[0] * info.shape[1];
  const double width = std::sqrt(3.0 / static_cast<double>(info.shape[1]));
  std::vector<float> values(static_cast<size_t>(elements));
  for (float& value : values) value = static_cast<float>(width * (static_cast<double>(random() >> 11) * 0x1p-52 - 1));
  std::vector<std::byte> packed(static_cast<size_t>(dtype_bytes(info.dtype, elements)));
  quant::quantize(info.dtype, values.data(), packed.data(), elements);
  return packed;
}

const char* torch_name(DType dtype) {
  return dtype == DType::f16 ? "float16" : dtype == DType::bf16 ? "bfloat16" : "float32";
}

// Every key of the class, so that none of its defaults takes the place of the dense class's; RoPE as the hub spells it.
json mixtral_config(const DenseModel& model, const UpcycleOptions& options) {
  json config = json::parse(find_config_class("mixtral").defaults), rope = model.config()["rope_parameters"];
  for (auto& [key, value] : config.items())
    if (model.config().contains(key)) value = model.config()[key];
  config["rope_theta"] = rope["rope_theta"];
  rope.erase("rope_theta");
  if (rope["rope_type"] != "default") config["rope_scaling"] = rope;
  config["model_type"] = "mixtral";
  config["architectures"] = {"MixtralForCausalLM"};
  config["num_local_experts"] = options.experts;
  config["num_experts_per_tok"] = options.top_k;
  config["torch_dtype"] = torch_name(model.info("model.embed_tokens.weight").dtype);
  return config;
}

void write_text(const fs::path& path, const std::string& text) {
  OutputFile file(path.string());
  file.write(text);
  file.finish();
}

// generation_config.json and the tokenizer.
void carry_companions(DenseModel& model, const fs::path& output, std::vector<std::string>& notices) {
  const std::string& path = model.checkpoint().path();
  if (model.checkpoint().is_gguf()) {
    json generation = json::object();
    for (const char* key : {"bos_token_id", "eos_token_id"})
      if (model.config().contains(key)) generation[key] = model.config()[key];
    write_text(output / "generation_config.json", generation.dump(2));
    if (!write_tokenizer_files(GgufFile(path), output.string()))
      notices.push_back(path + " holds no byte-level BPE tokenizer that Weft knows; the directory has none");
    return;
  }
  for (const char* name : kCompanionFiles)
    if (fs::exists(fs::path(path) / name)) write_text(output / name, read_text_file((fs::path(path) / name).string()));
  if (const fs::path more = fs::path(path) / kMoreChatTemplates; fs::exists(more)) fs::copy(more, output / more.filename());
}

// Made if it is not there; empty again unless everything was written.
class EmptyDirectory {
 public:
  explicit EmptyDirectory(fs::path path) : path_(std::move(path)) {
    std::error_code error;
    fs::create_directories(path_, error);
    if (error) bad_input("cannot make the directory ", path_.string(), ": ", error.message());
    if (!fs::is_empty(path_, error) || error) bad_input("output ", path_.string(), " is not an empty directory");
  }
  ~EmptyDirectory() {
    std::error_code ignored;
    if (!complete_)
      for (const auto& entry : fs::directory_iterator(path_, ignored)) fs::remove_all(entry, ignored);
  }
  void complete() { complete_ = true; }

 private:
  fs::path path_;
  bool complete_ = false;
};

}  // namespace

std::vector<std::string> upcycle(const std::string& model_path, const UpcycleOptions& options,
                                 const std::string& output_directory) {
  constexpr int64_t kMaxExperts = 4096;
  if (options.experts < 1 || options.experts > kMaxExperts)
    bad_input("experts is ", options.experts, "; 1 to ", kMaxExperts, " are possible");
  if (options.top_k < 1 || options.top_k > options.experts)
    bad_input("top-k is ", options.top_k, "; 1 to the number of experts (", options.experts, ") are possible");
  DenseModel model(model_path, options);
  const std::vector<OutputTensor> tensors = plan(model, options.experts);
  const fs::path output(output_directory);
  EmptyDirectory directory(output);

  std::vector<std::pair<std::string, TensorInfo>> header;
  int64_t total = 0;
  for (const OutputTensor& tensor : tensors) {
    header.emplace_back(tensor.name, tensor.info);
    total += row_count(tensor.info) * dtype_bytes(tensor.info.dtype, row_length(tensor.info));
  }
  Progress progress("upcycling", "bytes", total);
  SafetensorsWriter writer((output / "model.safetensors").string(), header);
  std::mt19937_64 random(options.seed);
  for (const OutputTensor& tensor : tensors) {
    const auto sink = [&](const void* data, size_t bytes) {
      writer.write(tensor.name, data, bytes);
      progress.advance(static_cast<int64_t>(bytes));
    };
    if (tensor.source.empty()) {
      const std::vector<std::byte> router = random_router(tensor.info, random);
      sink(router.data(), router.size());
    } else {
      model.copy(tensor.source, sink);
    }
  }
  write_text(output / "config.json", mixtral_config(model, options).dump(2));
  std::vector<std::string> notices;
  if (model.head_differs()) notices.push_back(kHeadDiffers);
  carry_companions(model, output, notices);
  writer.finish();  // last: a directory with weights is whole
  directory.complete();
  return notices;
}

}  // namespace weft
