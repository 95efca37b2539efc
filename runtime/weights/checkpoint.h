#pragma once
// A model on disk: named tensors plus its description, whatever the file format. Opening reads only headers.
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/dtype.h"

namespace weft {

struct TensorInfo {
  DType dtype = DType::f32;
  std::vector<int64_t> shape;  // row-major, outermost first, as Hugging Face writes it; GGUF's is reversed
};

class Checkpoint {
 public:
  virtual ~Checkpoint() = default;

  // A Hugging Face directory (config.json and model.safetensors or model.safetensors.index.json with its
  // shards; no other weight file is touched) or a GGUF file, of a split one its first part. What is missing, truncated
  // or malformed is refused by name.
  // Hugging Face names are always those of the model with a head: a base model saved alone (embed_tokens.weight) is given
  // its prefix (model.embed_tokens.weight). RoPE's buffers, which follow from the config, are left out.
  static std::unique_ptr<Checkpoint> open(const std::string& path);

  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const TensorInfo& info(const std::string& name) const;  // refuses a name that is not in tensors()
  bool has(const std::string& name) const { return tensors_.contains(name); }

  // The stored bytes of rows [begin, end) of a tensor, viewed as (shape[0] * ... * shape[n-2], shape[n-1]); a
  // row is dtype_bytes(dtype, shape[n-1]). A one-dimensional tensor is one row. The view is valid until
  // release() and aligned for its plain type (blocks to 2 bytes). May be called from several threads.
  virtual const std::byte* rows(const std::string& name, int64_t begin, int64_t end) = 0;
  // The pages behind what was read may leave memory: call after a tensor was packed. Keeps resident memory at
  // one tensor.
  virtual void release(const std::string& name) = 0;

  // Tensors that are there but of a type no model here uses (I64, F8_E4M3, BOOL, ...), with that type. Not in
  // tensors().
  const std::map<std::string, std::string>& unreadable() const { return unreadable_; }
  // Refuses a checkpoint that holds such tensors, or tensors of integers, naming the first and its type.
  void check_types() const;

  virtual bool is_gguf() const = 0;
  virtual std::string config_json() const = 0;             // of a GGUF, an equivalent made from its metadata
  virtual std::string generation_config_json() const = 0;  // "{}" if absent
  const std::string& path() const { return path_; }
  // The files that hold tensors, and the bytes at which these begin.
  const std::map<std::string, std::vector<size_t>>& files() const { return files_; }

 protected:
  std::string path_;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::string> unreadable_;
  std::map<std::string, std::vector<size_t>> files_;
};

}  // namespace weft
