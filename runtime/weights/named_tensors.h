#pragma once
// A checkpoint's tensors under Hugging Face's names, whatever its file calls or stacks them: models know one spelling. A GGUF
// file's stack of experts is presented as one tensor an expert; what has no Hugging Face name keeps its own.
#include <string>
#include <unordered_map>

#include "runtime/weights/checkpoint.h"
#include "runtime/weights/gguf_names.h"

namespace weft {

// The name of copy e's tensor: "{e}" stands for it.
std::string name_of_copy(const std::string& name, int64_t e);
bool one_tensor_a_copy(const std::string& name);  // else one tensor holds all copies

class NamedTensors {
 public:
  // model_type: of the config; it decides what tensors are called. The checkpoint must outlive this.
  NamedTensors(Checkpoint& checkpoint, const std::string& model_type);

  struct Entry {
    std::string stored;             // its name in the file
    int64_t first_row = 0;          // where it begins there
    int64_t rows = 0, columns = 0;  // of a vector: 1 and its length
    int64_t copies = 1;             // tensors like this one that the stored one holds
    DType dtype = DType::f32;
  };
  const std::unordered_map<std::string, Entry>& all() const { return tensors_; }
  const Entry* find(const std::string& name) const;  // nullptr if there is none
  // What this file calls the tensor, or would call it.
  std::string name_in_file(const std::string& name) const;
  Checkpoint& checkpoint() const { return checkpoint_; }

 private:
  Checkpoint& checkpoint_;
  GgufNames gguf_;
  std::unordered_map<std::string, Entry> tensors_;
};

}  // namespace weft
