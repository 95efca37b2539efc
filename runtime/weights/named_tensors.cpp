#include "runtime/weights/named_tensors.h"

#include "runtime/weights/tensor_copy.h"

namespace weft {

std::string name_of_copy(const std::string& name, int64_t e) {
  const size_t at = name.find("{e}");
  return at == name.npos ? name : name.substr(0, at) + std::to_string(e) + name.substr(at + 3);
}

bool one_tensor_a_copy(const std::string& name) { return name.find("{e}") != name.npos; }

NamedTensors::NamedTensors(Checkpoint& checkpoint, const std::string& model_type) : checkpoint_(checkpoint), gguf_(model_type) {
  tensors_.reserve(checkpoint.tensors().size());
  for (const auto& [stored, info] : checkpoint.tensors()) {
    const auto found = checkpoint.is_gguf() ? gguf_.to_hugging_face(stored) : std::nullopt;
    const std::string name = found ? found->name : stored;
    const bool of_all_experts = one_tensor_a_copy(name) && info.shape.size() == 3;
    const int64_t copies = of_all_experts ? info.shape[0] : 1, rows = row_count(info) / copies;
    for (int64_t e = 0; e < copies; ++e)
      tensors_[name_of_copy(name, e)] = {stored, e * rows, rows, row_length(info), copies, info.dtype};
  }
}

const NamedTensors::Entry* NamedTensors::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

std::string NamedTensors::name_in_file(const std::string& name) const {
  if (const Entry* entry = find(name)) return entry->stored;
  const auto there = checkpoint_.is_gguf() ? gguf_.to_gguf(name) : std::nullopt;
  return there ? there->name : name;
}

}  // namespace weft
