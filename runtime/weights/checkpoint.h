#pragma once
// A model on disk: named tensors plus its description, whatever the file format. Opening reads only headers.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/core/dtype.h"
#include "parallel/shard.h"
#include "runtime/weights/mapped_file.h"

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

  // Copies the stored bytes of a rectangle of a tensor, viewed as (shape[0] * ... * shape[n-2], shape[n-1]), to `out`, row behind
  // row; a one-dimensional tensor is one row. Of a quantised type the columns are whole blocks. Only these bytes are read.
  // Several threads may call it.
  void read(const std::string& name, Range rows, Range columns, std::byte* out) const;
  std::vector<std::byte> read(const std::string& name) const;  // all of it
  int64_t bytes_read() const { return bytes_read_; }           // by read(), so far
  // Where a tensor lies: the number of its file and the byte there, for reading in order.
  std::pair<size_t, size_t> position(const std::string& name) const;

  // Tensors that are there but of a type no model here uses (I64, F8_E4M3, BOOL, ...), with that type. Not in
  // tensors().
  const std::map<std::string, std::string>& unreadable() const { return unreadable_; }
  // Refuses a checkpoint that holds such tensors, naming the first and its type. allowed: tensors that nobody will ask for.
  void check_types(const std::function<bool(const std::string&)>& allowed = {}) const;

  virtual bool is_gguf() const = 0;
  virtual std::string config_json() const = 0;             // of a GGUF, an equivalent made from its metadata
  virtual std::string generation_config_json() const = 0;  // "{}" if absent
  const std::string& path() const { return path_; }
  // The files that hold tensors, and the bytes at which these begin.
  const std::map<std::string, std::vector<size_t>>& files() const { return files_; }

 protected:
  void add(const std::string& name, TensorInfo tensor, const MappedFile& file, size_t begin, size_t end);

  std::string path_;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::string> unreadable_;
  std::map<std::string, std::vector<size_t>> files_;

 private:
  struct Place {
    size_t file;  // in order_
    size_t begin, end;
  };
  const Place& place(const std::string& name) const;

  std::map<std::string, Place> places_;
  std::vector<const MappedFile*> order_;
  mutable std::atomic<int64_t> bytes_read_ = 0;
};

}  // namespace weft
