#pragma once
// GGUF, the container of llama.cpp's models: typed metadata, then tensors. Versions 2 and 3, little-endian.
// Format: ggml-org/ggml, docs/gguf.md. Reader here; gguf_writer.h writes; gguf_config.h translates to
// config.json.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/weights/checkpoint.h"
#include "runtime/weights/mapped_file.h"

namespace weft {

// The file's own numbers.
enum class GgufType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

struct GgufValue {
  GgufType type = GgufType::u8;  // of the value or of an array's elements; arrays of arrays are refused
  bool is_array = false;
  uint64_t count = 1;
  std::span<const std::byte> bytes;  // as they lie in the mapping; a string is a u64 length and its bytes
};

struct GgufTensor {
  TensorInfo info;            // shape outermost first: GGUF's dimensions reversed
  size_t begin = 0, end = 0;  // bytes in the file
  size_t part = 0;            // of a split model: which file
};

// The number of a stored type in tensor descriptions (ggml_type).
uint32_t gguf_type_number(DType dtype);

class GgufFile {
 public:
  // Reads and checks metadata and tensor descriptions: every count, length, product and range against the
  // file's size. Of a split model (NAME-00001-of-00003.gguf) `path` is the first part: the others lie beside it and are read
  // too; any other part, and one whose siblings are missing, is refused as what it is. Metadata are the first part's.
  explicit GgufFile(const std::string& path);

  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }
  const MappedFile& file(size_t part = 0) const { return files_[part]; }
  size_t parts() const { return files_.size(); }
  const std::string& path() const { return file().path(); }

  // Typed access to metadata. Empty if the key is absent; a value of another kind is refused by name.
  // Integers of every width are accepted where they fit. Views point into the mapping and live as long as
  // this object.
  bool has(std::string_view key) const { return metadata_.find(key) != metadata_.end(); }
  std::optional<int64_t> get_int(std::string_view key) const;
  std::optional<double> get_float(std::string_view key) const;  // integers too
  std::optional<bool> get_bool(std::string_view key) const;
  std::optional<std::string_view> get_string(std::string_view key) const;
  std::vector<int64_t> get_int_array(std::string_view key) const;
  std::vector<double> get_float_array(std::string_view key) const;
  std::vector<std::string_view> get_string_array(std::string_view key) const;

 private:
  const GgufValue* find(std::string_view key, bool is_array) const;
  explicit GgufFile(MappedFile file);  // one part, alone
  void read_one();                     // files_.front()
  void join_parts();                   // the rest of a split model

  std::vector<MappedFile> files_;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::map<std::string, GgufTensor> tensors_;
};

}  // namespace weft
