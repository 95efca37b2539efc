#include "runtime/weights/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "kernels/core/check.h"
#include "runtime/weights/json.h"

namespace weft {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "weight files are little-endian and read as they lie");

constexpr size_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr size_t kMaxRank = 8;
constexpr std::string_view kMetadataKey = "__metadata__";

struct ElementType {
  std::string_view name;
  uint64_t bits;
};
constexpr std::array<ElementType, 20> kElementTypes = {
    {{"BOOL", 8}, {"U8", 8},   {"I8", 8},    {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"I16", 16},
     {"U16", 16}, {"F16", 16}, {"BF16", 16}, {"I32", 32},    {"U32", 32},    {"F32", 32},    {"I64", 64},
     {"U64", 64}, {"F64", 64}, {"C64", 64},  {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}}};

std::optional<uint64_t> element_bits(const std::string& dtype) {
  for (const ElementType& type : kElementTypes)
    if (type.name == dtype) return type.bits;
  return std::nullopt;
}

// The bytes of a tensor of this shape, or nothing if they overflow or are not whole.
std::optional<uint64_t> checked_bytes(const std::vector<int64_t>& shape, uint64_t bits) {
  uint64_t total = bits;
  for (const int64_t dim : shape)
    if (__builtin_mul_overflow(total, static_cast<uint64_t>(dim), &total)) return std::nullopt;
  if (total % 8 != 0) return std::nullopt;
  return total / 8;
}

int64_t read_dimension(const json& value, const std::string& where) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    bad_input(where, ": the shape must hold whole numbers from 0 to 2^63 - 1");
  return value.get<int64_t>();
}

// data_offsets count from data_begin; the result from the file's start.
SafetensorsEntry read_entry(const json& entry, const std::string& where, size_t data_begin, size_t file_size) {
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets"))
    bad_input(where, ": expected exactly the keys dtype, shape, data_offsets");
  const json& dtype = entry["dtype"];
  const json& shape = entry["shape"];
  const json& offsets = entry["data_offsets"];
  if (!dtype.is_string() || !shape.is_array()) bad_input(where, ": dtype must be a string and shape a list");
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
    bad_input(where, ": data_offsets must be two whole numbers");
  if (shape.size() > kMaxRank) bad_input(where, " has ", shape.size(), " dimensions; at most ", kMaxRank, " are read");

  SafetensorsEntry result;
  result.dtype = dtype.get<std::string>();
  const auto bits = element_bits(result.dtype);
  if (!bits) bad_input(where, ": unknown dtype ", in_quotes(result.dtype));
  for (const json& dim : shape) result.shape.push_back(read_dimension(dim, where));

  const uint64_t begin = offsets[0].get<uint64_t>(), end = offsets[1].get<uint64_t>();
  if (begin > end || end > file_size - data_begin)
    bad_input(where, ": data_offsets ", offsets.dump(), " do not lie in the ", file_size - data_begin, " bytes of data");
  const auto bytes = checked_bytes(result.shape, *bits);
  if (!bytes || *bytes != end - begin)
    bad_input(where, ": shape ", shape.dump(), " of ", result.dtype, " does not fill data_offsets ", offsets.dump());
  result.begin = data_begin + begin;
  result.end = data_begin + end;
  return result;
}

void check_covers_data(const std::map<std::string, SafetensorsEntry>& entries, const std::string& path, size_t data_begin,
                       size_t file_size) {
  std::vector<const SafetensorsEntry*> order;
  for (const auto& [name, entry] : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const SafetensorsEntry* a, const SafetensorsEntry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  size_t covered = data_begin;
  for (const SafetensorsEntry* entry : order) {
    if (entry->begin != covered)
      bad_input(path, ": tensors ", entry->begin < covered ? "overlap" : "leave a hole", " at data offset ",
                std::min(entry->begin, covered) - data_begin);
    covered = entry->end;
  }
  if (covered != file_size) bad_input(path, ": the tensors end ", file_size - covered, " bytes before the file does");
}

const char* safetensors_name(DType dtype) {
  switch (dtype) {
    case DType::f32: return "F32";
    case DType::f16: return "F16";
    case DType::bf16: return "BF16";
    case DType::i32: return "I32";
    default: break;
  }
  bad_input("safetensors cannot hold the block type ", name(dtype));
}

}  // namespace

std::map<std::string, SafetensorsEntry> read_safetensors_header(const MappedFile& file) {
  const auto bytes = file.bytes();
  const std::string& path = file.path();
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes) bad_input(path, " has ", bytes.size(), " bytes, too few for safetensors");
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  if (header_bytes > kMaxHeaderBytes || header_bytes > bytes.size() - sizeof header_bytes)
    bad_input(path, ": a header of ", header_bytes, " bytes does not fit in the file (", bytes.size(),
              " bytes) or passes the limit of ", kMaxHeaderBytes, "; truncated, or not safetensors");
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + sizeof header_bytes, header_bytes);
  if (!header.starts_with('{')) bad_input(path, ": the safetensors header does not start with {");

  const size_t data_begin = sizeof header_bytes + header_bytes;
  std::map<std::string, SafetensorsEntry> entries;
  const json parsed = parse_json_object(header, path + ": the header");
  for (const auto& [name, entry] : parsed.items())
    if (name != kMetadataKey)
      entries.emplace(name, read_entry(entry, cat(path, ": tensor ", in_quotes(name)), data_begin, bytes.size()));
  check_covers_data(entries, path, data_begin, bytes.size());
  return entries;
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, const std::vector<std::pair<std::string, TensorInfo>>& tensors)
    : file_(path) {
  json header = json::object();
  size_t offset = 0;
  for (const auto& [name, info] : tensors) {
    int64_t elements = 1;
    for (const int64_t dim : info.shape) elements *= dim;
    const size_t bytes = static_cast<size_t>(dtype_bytes(info.dtype, elements));
    WEFT_CHECK(!header.contains(name), "tensor ", name, " twice");
    header[name] = {
        {"dtype", safetensors_name(info.dtype)}, {"shape", info.shape}, {"data_offsets", {offset, offset + bytes}}};
    pending_.push_back({name, bytes});
    offset += bytes;
  }
  header[kMetadataKey] = {{"format", "pt"}};  // transformers refuses a file that does not say so
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // data starts aligned
  const uint64_t header_bytes = text.size();
  file_.write(&header_bytes, sizeof header_bytes);
  file_.write(text);
}

void SafetensorsWriter::write(const std::string& name, const void* data, size_t bytes) {
  while (current_ < pending_.size() && written_ == pending_[current_].bytes && pending_[current_].name != name) {
    ++current_;
    written_ = 0;
  }
  WEFT_CHECK(current_ < pending_.size() && pending_[current_].name == name, "tensor ", name, " is out of order");
  WEFT_CHECK(bytes <= pending_[current_].bytes - written_, "tensor ", name, " is longer than declared");
  file_.write(data, bytes);
  written_ += bytes;
}

void SafetensorsWriter::finish() {
  for (; current_ < pending_.size(); ++current_, written_ = 0) WEFT_CHECK_EQ(written_, pending_[current_].bytes);
  file_.finish();
}

}  // namespace weft
