#include "runtime/weights/convert.h"

#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "kernels/core/progress.h"
#include "runtime/weights/checkpoint.h"
#include "runtime/weights/gguf_config.h"
#include "runtime/weights/gguf_names.h"
#include "runtime/weights/gguf_writer.h"
#include "runtime/weights/json.h"
#include "runtime/weights/llama_layout.h"
#include "runtime/weights/tensor_copy.h"
#include "runtime/weights/tied_head.h"
#include "runtime/weights/tokenizer_files.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

// llama.cpp's number for "mostly this type" (general.file_type); of the K types the plain mixture.
int64_t file_type(DType type) {
  switch (type) {
    case DType::f32: return 0;
    case DType::f16: return 1;
    case DType::q4_0: return 2;
    case DType::q4_1: return 3;
    case DType::q8_0: return 7;
    case DType::q5_0: return 8;
    case DType::q5_1: return 9;
    case DType::q4_K: return 14;
    case DType::q5_K: return 16;
    case DType::q6_K: return 18;
    case DType::bf16: return 32;
    case DType::i32: break;
  }
  bad_input("weights cannot be stored as ", name(type));
}

// The stored type of every tensor, and notices about those that could not have the wanted one.
class TypeChooser {
 public:
  TypeChooser(DType wanted, bool tied) : wanted_(wanted), output_matrix_(tied ? kGgufEmbedding : kGgufHead) {}

  DType choose(const std::string& gguf_name, const TensorInfo& info) {
    if (info.shape.size() < 2 || gguf_name.find(kGgufRouter) != gguf_name.npos) return DType::f32;
    const bool below_8_bits = is_quantised(wanted_) && wanted_ != DType::q8_0;
    const DType wanted = below_8_bits && gguf_name == output_matrix_ ? DType::q6_K : wanted_;
    for (const DType type : {wanted, DType::q8_0, DType::f16})
      if (row_length(info) % dtype_info(type).block_elements == 0) {
        if (type != wanted) ++fallbacks_[{wanted, type}];
        return type;
      }
    WEFT_CHECK(false, "f16 fits every row");
  }

  void report(std::vector<std::string>& notices) const {
    for (const auto& [types, count] : fallbacks_)
      notices.push_back(cat(count, count == 1 ? " tensor has" : " tensors have", " rows that are not whole blocks of ",
                            name(types.first), " (", dtype_info(types.first).block_elements, "); stored as ",
                            name(types.second)));
  }

 private:
  DType wanted_;
  std::string output_matrix_;
  std::map<std::pair<DType, DType>, int> fallbacks_;
};

// A tensor of the output: the sources are stacked along a new first dimension, or one alone is taken as it
// is.
struct OutputTensor {
  std::string name;
  TensorInfo info;
  std::vector<std::string> sources;
  std::function<int64_t(int64_t)> source_row = {};
};

// Chooses the types and announces the tensors, after which the data may follow.
void add_tensors(GgufWriter& writer, std::vector<OutputTensor>& tensors, TypeChooser types,
                 std::vector<std::string>& notices) {
  for (OutputTensor& tensor : tensors) {
    tensor.info.dtype = types.choose(tensor.name, tensor.info);
    writer.add_tensor(tensor.name, tensor.info);
  }
  types.report(notices);
}

void write_tensors(Checkpoint& source, GgufWriter& writer, const std::vector<OutputTensor>& tensors, Values values) {
  int64_t total = 0;
  for (const OutputTensor& tensor : tensors)
    total += row_count(tensor.info) * dtype_bytes(tensor.info.dtype, row_length(tensor.info));
  Progress progress("converting", "bytes", total);
  for (const OutputTensor& tensor : tensors)
    for (const std::string& part : tensor.sources)
      copy_tensor(source, part, tensor.info.dtype, tensor.source_row, values, [&](const void* data, size_t bytes) {
        writer.write(tensor.name, data, bytes);
        progress.advance(static_cast<int64_t>(bytes));
      });
}

// The experts of one layer and one projection as one stacked tensor. sources: by expert.
OutputTensor stack_experts(const Checkpoint& source, const std::string& name, const std::map<int64_t, std::string>& sources,
                           int64_t experts) {
  OutputTensor stacked{name, {}, {}};
  for (int64_t e = 0; e < experts; ++e) {
    const auto found = sources.find(e);
    if (found == sources.end()) bad_input(source.path(), ": expert ", e, " of ", name, " is missing; ", sources.begin()->second, " is there");
    stacked.sources.push_back(found->second);
    const TensorInfo& info = source.info(found->second);
    if (e > 0 && info.shape != source.info(stacked.sources.front()).shape)
      bad_input(source.path(), ": tensor ", found->second, " has another shape than expert 0's");
    stacked.info.shape = info.shape;
  }
  stacked.info.shape.insert(stacked.info.shape.begin(), experts);
  return stacked;
}

std::vector<OutputTensor> plan_hugging_face(const Checkpoint& source, const LlamaFamilyShape& shape) {
  const GgufNames names(shape.model_type);
  std::vector<OutputTensor> tensors;
  std::map<std::string, std::map<int64_t, std::string>> stacks;  // tensors of all experts: whose tensors they are made of
  int64_t experts = 0;
  for (const auto& [name, info] : source.tensors()) {
    if (name.ends_with(".experts.gate_up_proj"))
      bad_input(source.path(), ": tensor ", in_quotes(name),
                " holds all experts of a layer, which weft convert does not take apart; it takes one tensor an expert");
    if (shape.tie_word_embeddings && name == "lm_head.weight") continue;
    const auto there = names.to_gguf(name);
    if (!there)
      bad_input(source.path(), ": tensor ", in_quotes(name), " has no place in a GGUF of architecture ", names.architecture());
    if (there->expert >= 0) {
      stacks[there->name][there->expert] = name;
      ++experts;
      continue;
    }
    OutputTensor tensor{there->name, info, {name}};
    if (there->rows == GgufName::Rows::rope_pairs) {
      const int64_t rows = info.shape.empty() ? 0 : info.shape.front();
      if (rows % shape.head_dim != 0)
        bad_input(source.path(), ": tensor ", name, " has ", rows, " rows, not whole heads of ", shape.head_dim);
      tensor.source_row = [head_dim = shape.head_dim](int64_t row) { return interleaved_to_half(row, head_dim); };
    }
    tensors.push_back(std::move(tensor));
  }
  if (experts != shape.n_experts * shape.n_layers * 3)
    bad_input(source.path(), ": ", experts, " expert tensors; config.json describes ", shape.n_experts * shape.n_layers * 3);
  for (const auto& [name, sources] : stacks) tensors.push_back(stack_experts(source, name, sources, shape.n_experts));
  return tensors;
}

void put_general(GgufWriter& writer, const std::string& model, DType type) {
  const std::string name = fs::weakly_canonical(model).filename().string();
  writer.put_string("general.type", "model");
  writer.put_string("general.name", name.empty() ? "model" : name);
  writer.put_u32("general.file_type", file_type(type));
  if (is_quantised(type)) writer.put_u32("general.quantization_version", 2);
}

void convert_directory(Checkpoint& source, DType type, Values values, GgufWriter& writer,
                       std::vector<std::string>& notices) {
  LlamaFamilyShape shape = read_llama_family(source.config_json());
  if (shape.tie_word_embeddings && !head_is_embedding(source)) {
    shape.tie_word_embeddings = false;
    notices.push_back(kHeadDiffers);
  }
  std::vector<OutputTensor> tensors = plan_hugging_face(source, shape);
  const auto embedding = source.tensors().find("model.embed_tokens.weight");
  if (embedding == source.tensors().end()) bad_input(source.path(), " has no tensor model.embed_tokens.weight");

  put_general(writer, source.path(), type);
  put_config(writer, source.config_json());
  if (!put_tokenizer(writer, source.path(), row_count(embedding->second))) {
    writer.put_string("tokenizer.ggml.model", "no_vocab");
    notices.push_back(source.path() + " has no tokenizer.json; the GGUF has no tokenizer either");
  }
  std::vector<float> divisors;
  if (shape.llama3_rope) {
    divisors = llama3_rope_divisors(*shape.llama3_rope, shape.rope_theta, shape.head_dim);
    writer.add_tensor(kGgufRopeFreqs, {DType::f32, {static_cast<int64_t>(divisors.size())}});
  }
  add_tensors(writer, tensors, TypeChooser(type, shape.tie_word_embeddings), notices);
  if (shape.llama3_rope) writer.write(kGgufRopeFreqs, divisors.data(), divisors.size() * sizeof(float));
  write_tensors(source, writer, tensors, values);
}

void convert_gguf(Checkpoint& source, DType type, Values values, GgufWriter& writer, std::vector<std::string>& notices) {
  const GgufFile file(source.path());
  for (const auto& [key, value] : file.metadata())
    if (key != "general.alignment" && key != "general.file_type" && key != "general.quantization_version" &&
        !key.starts_with("split."))
      writer.put(key, value);
  writer.put_u32("general.file_type", file_type(type));
  if (is_quantised(type)) writer.put_u32("general.quantization_version", 2);

  std::vector<OutputTensor> tensors;
  for (const auto& [name, info] : source.tensors()) tensors.push_back({name, info, {name}});
  add_tensors(writer, tensors, TypeChooser(type, !source.has(kGgufHead)), notices);
  write_tensors(source, writer, tensors, values);
}

}  // namespace

std::vector<std::string> convert(const std::string& model, DType type, const std::string& output, Values values) {
  file_type(type);  // refuses integers before anything is written
  const std::unique_ptr<Checkpoint> source = Checkpoint::open(model);
  source->check_types();
  std::error_code error;
  if (fs::equivalent(model, output, error)) bad_input("output ", output, " is the model itself");
  GgufWriter writer(output);
  std::vector<std::string> notices;
  if (source->is_gguf())
    convert_gguf(*source, type, values, writer, notices);
  else
    convert_directory(*source, type, values, writer, notices);
  writer.finish();
  return notices;
}

}  // namespace weft
