#include "runtime/weights/named_tensors.h"

#include <regex>

#include "kernels/core/check.h"
#include "runtime/weights/tensor_copy.h"

namespace weft {
namespace {

// A layer's expert matrices as llama.cpp calls them.
constexpr const char* kGate = "ffn_gate";
constexpr const char* kUp = "ffn_up";
constexpr const char* kDown = "ffn_down";

}  // namespace

NamedTensors::NamedTensors(Checkpoint& checkpoint, const std::string& model_type)
    : checkpoint_(checkpoint), experts_(expert_names(model_type)) {
  tensors_.reserve(checkpoint.tensors().size());
  for (const auto& [stored, info] : checkpoint.tensors()) {
    std::string name = stored;
    if (checkpoint.is_gguf()) {
      if (add_experts(stored, info)) continue;
      name = llama_hugging_face_name(stored, model_type).value_or(stored);
    }
    tensors_[name] = {stored, 0, row_count(info), row_length(info), 1, info.dtype};
  }
}

bool NamedTensors::add_experts(const std::string& stored, const TensorInfo& info) {
  if (experts_.module.empty() || stored.find(".ffn_") == stored.npos) return false;
  static const std::regex pattern(R"(blk\.(\d+)\.(ffn_gate|ffn_up|ffn_down)(?:_exps|\.(\d+))\.weight)");
  std::smatch match;
  if (!std::regex_match(stored, match, pattern)) return false;
  const int64_t rows = row_count(info), columns = row_length(info);
  if (match[3].matched) {
    tensors_[expert_name(match[1], std::stoll(match[3]), match[2])] = {stored, 0, rows, columns, 1, info.dtype};
    return true;
  }
  if (info.shape.size() != 3) return false;
  const int64_t experts = info.shape[0], each = info.shape[1];
  for (int64_t e = 0; e < experts; ++e)
    tensors_[expert_name(match[1], e, match[2])] = {stored, e * each, each, columns, experts, info.dtype};
  return true;
}

std::string NamedTensors::expert_name(const std::string& layer, int64_t expert, const std::string& matrix) const {
  const std::string& name = matrix == kGate ? experts_.gate : matrix == kUp ? experts_.up : experts_.down;
  return cat("model.layers.", layer, ".", experts_.module, ".", expert, ".", name, ".weight");
}

const NamedTensors::Entry* NamedTensors::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

std::string NamedTensors::name_in_file(const std::string& name) const {
  if (const Entry* entry = find(name)) return entry->stored;
  if (!checkpoint_.is_gguf()) return name;
  const size_t module = experts_.module.empty() ? name.npos : name.find("." + experts_.module + ".");
  if (module == name.npos) return llama_gguf_name(name).value_or(name);
  const std::string layer = name.substr(std::string("model.layers.").size(), module - std::string("model.layers.").size());
  const auto is = [&](const std::string& matrix) { return name.ends_with("." + matrix + ".weight"); };
  return cat("blk.", layer, ".", is(experts_.gate) ? kGate : is(experts_.up) ? kUp : kDown, "_exps.weight");
}

}  // namespace weft
