#include "runtime/weights/gguf_writer.h"

#include "kernels/core/check.h"
#include "runtime/weights/json.h"

namespace weft {
namespace {

constexpr size_t kAlignment = 32;  // the format's default, so no metadata entry is needed

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_text(std::string& out, std::string_view text) {
  append(out, uint64_t{text.size()});
  out.append(text);
}

size_t padded(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

GgufWriter::GgufWriter(const std::string& path) : file_(path) {}

void GgufWriter::put_key(std::string_view key, GgufType type) {
  WEFT_CHECK(!header_written_, "metadata after the header");
  append_text(metadata_, key);
  append(metadata_, static_cast<uint32_t>(type));
  ++pairs_;
}

void GgufWriter::put_array_key(std::string_view key, GgufType type, uint64_t count) {
  put_key(key, GgufType::array);
  append(metadata_, static_cast<uint32_t>(type));
  append(metadata_, count);
}

void GgufWriter::put_u32(std::string_view key, int64_t value) {
  if (value < 0 || value > UINT32_MAX) bad_input("GGUF cannot store ", key, " = ", value, "; it must be from 0 to 2^32 - 1");
  put_key(key, GgufType::u32);
  append(metadata_, static_cast<uint32_t>(value));
}

void GgufWriter::put_f32(std::string_view key, double value) {
  put_key(key, GgufType::f32);
  append(metadata_, static_cast<float>(value));
}

void GgufWriter::put_bool(std::string_view key, bool value) {
  put_key(key, GgufType::boolean);
  append(metadata_, uint8_t{value});
}

void GgufWriter::put_string(std::string_view key, std::string_view value) {
  put_key(key, GgufType::string);
  append_text(metadata_, value);
}

void GgufWriter::put_strings(std::string_view key, const std::vector<std::string>& values) {
  put_array_key(key, GgufType::string, values.size());
  for (const std::string& value : values) append_text(metadata_, value);
}

void GgufWriter::put_i32s(std::string_view key, const std::vector<int32_t>& values) {
  put_array_key(key, GgufType::i32, values.size());
  for (const int32_t value : values) append(metadata_, value);
}

void GgufWriter::put(std::string_view key, const GgufValue& value) {
  if (value.is_array)
    put_array_key(key, value.type, value.count);
  else
    put_key(key, value.type);
  metadata_.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
}

void GgufWriter::add_tensor(const std::string& name, const TensorInfo& info) {
  WEFT_CHECK(!header_written_, "tensor ", name, " after the header");
  if (name.size() > 64 || info.shape.empty() || info.shape.size() > 4)
    bad_input("GGUF cannot store tensor ", in_quotes(name), " of ", info.shape.size(),
              " dimensions; 64 letters and 1 to 4 dimensions are possible");
  int64_t elements = 1;
  for (const int64_t dim : info.shape) elements *= dim;
  tensors_.push_back({name, info, static_cast<size_t>(dtype_bytes(info.dtype, elements))});
}

void GgufWriter::write_header() {
  std::string head = "GGUF";
  append(head, uint32_t{3});
  append(head, uint64_t{tensors_.size()});
  append(head, pairs_);
  file_.write(head);
  file_.write(metadata_);
  std::string descriptions;
  uint64_t offset = 0;
  for (const Pending& tensor : tensors_) {
    append_text(descriptions, tensor.name);
    append(descriptions, static_cast<uint32_t>(tensor.info.shape.size()));
    for (auto dim = tensor.info.shape.rbegin(); dim != tensor.info.shape.rend(); ++dim)
      append(descriptions, static_cast<uint64_t>(*dim));
    append(descriptions, gguf_type_number(tensor.info.dtype));
    append(descriptions, offset);
    offset += padded(tensor.bytes);
  }
  file_.write(descriptions);
  file_.pad_to(kAlignment);
  header_written_ = true;
}

void GgufWriter::start_next_tensor() {
  WEFT_CHECK_EQ(written_, tensors_[current_].bytes);
  file_.pad_to(kAlignment);
  ++current_;
  written_ = 0;
}

void GgufWriter::write(const std::string& name, const void* data, size_t bytes) {
  if (!header_written_) write_header();
  if (current_ < tensors_.size() && tensors_[current_].name != name) start_next_tensor();
  WEFT_CHECK(current_ < tensors_.size() && tensors_[current_].name == name, "tensor ", name, " is out of order");
  WEFT_CHECK(bytes <= tensors_[current_].bytes - written_, "tensor ", name, " is longer than declared");
  file_.write(data, bytes);
  written_ += bytes;
}

void GgufWriter::finish() {
  if (!header_written_) write_header();
  if (!tensors_.empty()) start_next_tensor();
  WEFT_CHECK_EQ(current_, tensors_.size());
  file_.finish();
}

}  // namespace weft
