#pragma once
// The safetensors format: 8 bytes little-endian N, N bytes of JSON header {"name": {"dtype", "shape",
// "data_offsets"}}, then the data. Reader and writer. Format: huggingface/safetensors, README "Format".
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/weights/checkpoint.h"
#include "runtime/weights/mapped_file.h"
#include "runtime/weights/output_file.h"

namespace weft {

struct SafetensorsEntry {
  std::string dtype;  // as the file spells it; "F32", "F16", "BF16" and "I32" can be read
  std::vector<int64_t> shape;
  size_t begin = 0, end = 0;  // bytes in the file
};

// The header's tensors after every check: N at most 100 MB and inside the file; no duplicate keys; shape x
// dtype equal to the range without overflow; ranges cover the data exactly, without overlap or hole.
std::map<std::string, SafetensorsEntry> read_safetensors_header(const MappedFile& file);

// Writes a file of tensors whose names and shapes are known beforehand. The file appears under its name at
// finish().
class SafetensorsWriter {
 public:
  // Data is laid out in this order. Plain dtypes only.
  SafetensorsWriter(const std::string& path, const std::vector<std::pair<std::string, TensorInfo>>& tensors);

  // The next bytes of the tensor `name`; tensors in the order given, each complete before the next starts.
  void write(const std::string& name, const void* data, size_t bytes);
  void finish();

 private:
  struct Pending {
    std::string name;
    size_t bytes;
  };
  std::vector<Pending> pending_;
  size_t current_ = 0;  // index into pending_
  size_t written_ = 0;  // bytes of the current tensor
  OutputFile file_;
};

}  // namespace weft
