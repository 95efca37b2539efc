#pragma once
// Writes a GGUF version 3 file: metadata, tensor descriptions, then the tensors one after another, aligned to
// 32 bytes. Reader and format: gguf.h.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/weights/gguf.h"
#include "runtime/weights/output_file.h"

namespace weft {

class GgufWriter {
 public:
  explicit GgufWriter(const std::string& path);

  void put_u32(std::string_view key, int64_t value);  // refuses what does not fit
  void put_f32(std::string_view key, double value);
  void put_bool(std::string_view key, bool value);
  void put_string(std::string_view key, std::string_view value);
  void put_strings(std::string_view key, const std::vector<std::string>& values);
  void put_i32s(std::string_view key, const std::vector<int32_t>& values);
  void put(std::string_view key, const GgufValue& value);  // copied as another file stores it

  // All tensors before the first write(). shape: outermost first.
  void add_tensor(const std::string& name, const TensorInfo& info);
  // The next bytes of tensor `name`; tensors in the order added, each complete before the next.
  void write(const std::string& name, const void* data, size_t bytes);
  void finish();  // the file appears

 private:
  struct Pending {
    std::string name;
    TensorInfo info;
    size_t bytes;
  };
  void put_key(std::string_view key, GgufType type);
  void put_array_key(std::string_view key, GgufType type, uint64_t count);
  void write_header();
  void start_next_tensor();

  OutputFile file_;
  std::string metadata_;
  uint64_t pairs_ = 0;
  std::vector<Pending> tensors_;
  bool header_written_ = false;
  size_t current_ = 0, written_ = 0;  // tensor being written and its bytes so far
};

}  // namespace weft
