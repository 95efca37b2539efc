#include "runtime/weights/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "kernels/core/check.h"
#include "runtime/weights/json.h"

namespace weft {
namespace {

constexpr size_t kMaxKeyBytes = 65535, kMaxTensorNameBytes = 64;  // the specification's
constexpr uint32_t kMaxDims = 4;
constexpr uint64_t kDefaultAlignment = 32, kMaxAlignment = 65536;
constexpr const char* kAlignmentKey = "general.alignment";

struct StoredType {
  uint32_t number;
  DType dtype;
};
constexpr std::array<StoredType, 11> kStoredTypes = {{{0, DType::f32},
                                                      {1, DType::f16},
                                                      {2, DType::q4_0},
                                                      {3, DType::q4_1},
                                                      {6, DType::q5_0},
                                                      {7, DType::q5_1},
                                                      {8, DType::q8_0},
                                                      {12, DType::q4_K},
                                                      {13, DType::q5_K},
                                                      {14, DType::q6_K},
                                                      {30, DType::bf16}}};
// Names of ggml_type, for refusing the others; gaps are numbers ggml has removed.
constexpr std::array<const char*, 40> kTypeNames = {
    "F32",    "F16",   "Q4_0",  "Q4_1",   "",      "",      "Q5_0",    "Q5_1",   "Q8_0",    "Q8_1",
    "Q2_K",   "Q3_K",  "Q4_K",  "Q5_K",   "Q6_K",  "Q8_K",  "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S",
    "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",    "I16",   "I32",     "I64",    "F64",     "IQ1_M",
    "BF16",   "",      "",      "",       "TQ1_0", "TQ2_0", "",        "",       "",        "MXFP4"};

// Bytes of one value; 0 for string and array.
constexpr std::array<size_t, 13> kValueBytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
constexpr std::array<const char*, 13> kValueNames = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                     "bool", "string", "array", "u64", "i64", "f64"};

size_t value_bytes(GgufType type) { return kValueBytes.at(static_cast<size_t>(type)); }

// Reads forward through the file; everything that would pass its end is refused.
class Cursor {
 public:
  explicit Cursor(const MappedFile& file) : file_(file), bytes_(file.bytes()) {}

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  std::span<const std::byte> take(uint64_t count, const char* what) {
    if (count > left())
      bad_input(file_.path(), ": ", what, " at byte ", position_, " needs ", count, " bytes and ", left(),
                " are left; the file is truncated or corrupt");
    const auto result = bytes_.subspan(position_, count);
    position_ += count;
    return result;
  }

  template <class T>
  T number(const char* what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }

  std::string_view text(const char* what) {
    const auto bytes = take(number<uint64_t>(what), what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // A key or tensor name: printable ASCII, so that errors can show it.
  std::string name(const char* what, size_t max_bytes) {
    const std::string_view result = text(what);
    const bool printable = std::all_of(result.begin(), result.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    if (result.empty() || result.size() > max_bytes || !printable)
      bad_input(file_.path(), ": ", what, " ending at byte ", position_, " is not 1 to ", max_bytes,
                " printable ASCII characters");
    return std::string(result);
  }

 private:
  const MappedFile& file_;
  std::span<const std::byte> bytes_;
  size_t position_ = 0;
};

GgufType read_type(Cursor& in, const std::string& where) {
  const uint32_t number = in.number<uint32_t>("a value type");
  if (number >= kValueBytes.size()) bad_input(where, " has the unknown value type ", number);
  return static_cast<GgufType>(number);
}

GgufValue read_value(Cursor& in, const std::string& where) {
  GgufValue value;
  value.type = read_type(in, where);
  if (value.type == GgufType::array) {
    value.is_array = true;
    value.type = read_type(in, where);
    value.count = in.number<uint64_t>("an array length");
    if (value.type == GgufType::array) bad_input(where, " is an array of arrays, which no model uses");
  }
  const size_t size = value.type == GgufType::string ? sizeof(uint64_t) : value_bytes(value.type);
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(value.count, size, &bytes) || bytes > in.left())
    bad_input(where, " claims ", value.count, " values, more than the rest of the file holds");
  if (value.type == GgufType::string) {
    Cursor start = in;
    for (uint64_t i = 0; i < value.count; ++i) in.text("a string");
    value.bytes = start.take(in.position() - start.position(), "a string");
  } else {
    value.bytes = in.take(bytes, "a value");
  }
  if (value.type == GgufType::boolean &&
      std::any_of(value.bytes.begin(), value.bytes.end(), [](std::byte b) { return b > std::byte{1}; }))
    bad_input(where, " is a boolean that is neither 0 nor 1");
  return value;
}

DType read_stored_type(uint32_t number, const std::string& where) {
  for (const StoredType& type : kStoredTypes)
    if (type.number == number) return type.dtype;
  const bool known = number < kTypeNames.size() && *kTypeNames[number];
  bad_input(where, " has type ", known ? kTypeNames[number] : cat("number ", number),
            "; Weft reads F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K");
}

// A tensor's description; begin is still relative to the data section, end its length.
GgufTensor read_tensor(Cursor& in, const std::string& where) {
  GgufTensor tensor;
  const uint32_t dims = in.number<uint32_t>("a number of dimensions");
  if (dims < 1 || dims > kMaxDims) bad_input(where, " has ", dims, " dimensions; 1 to ", kMaxDims, " are possible");
  int64_t elements = 1;
  for (uint32_t i = 0; i < dims; ++i) {
    const uint64_t dim = in.number<uint64_t>("a dimension");
    if (dim == 0 || dim > static_cast<uint64_t>(INT64_MAX) ||
        __builtin_mul_overflow(elements, static_cast<int64_t>(dim), &elements))
      bad_input(where, " has dimension ", i, " = ", dim, "; it must be from 1, and all together below 2^63 elements");
    tensor.info.shape.insert(tensor.info.shape.begin(), static_cast<int64_t>(dim));
  }
  tensor.info.dtype = read_stored_type(in.number<uint32_t>("a tensor type"), where);
  const DTypeInfo& type = dtype_info(tensor.info.dtype);
  if (tensor.info.shape.back() % type.block_elements != 0)
    bad_input(where, " has rows of ", tensor.info.shape.back(), " elements, not whole blocks of ", type.block_elements);
  int64_t bytes = 0;
  if (__builtin_mul_overflow(elements / type.block_elements, int64_t{type.block_bytes}, &bytes))
    bad_input(where, " has ", elements, " elements, too many bytes to count");
  tensor.begin = in.number<uint64_t>("a tensor offset");
  tensor.end = static_cast<size_t>(bytes);
  return tensor;
}

uint64_t read_alignment(const GgufFile& gguf) {
  const int64_t alignment = gguf.get_int(kAlignmentKey).value_or(kDefaultAlignment);
  if (alignment < 8 || alignment > static_cast<int64_t>(kMaxAlignment) ||
      !std::has_single_bit(static_cast<uint64_t>(alignment)))
    bad_input(gguf.path(), ": ", kAlignmentKey, " is ", alignment, "; a power of two from 8 to ", kMaxAlignment,
              " is possible");
  return static_cast<uint64_t>(alignment);
}

// Makes ranges absolute; each aligned, inside the file, none overlapping another.
void place_tensors(std::map<std::string, GgufTensor>& tensors, const GgufFile& gguf, size_t header_end) {
  const uint64_t alignment = read_alignment(gguf);
  const size_t file_size = gguf.file().bytes().size();
  const uint64_t data_begin = (header_end + alignment - 1) / alignment * alignment;
  std::vector<std::pair<size_t, const std::string*>> order;
  for (auto& [name, tensor] : tensors) {
    if (tensor.begin % alignment != 0)
      bad_input(gguf.path(), ": tensor ", name, " has offset ", tensor.begin, ", not a multiple of ", alignment);
    if (data_begin > file_size || tensor.begin > file_size - data_begin ||
        tensor.end > file_size - data_begin - tensor.begin)
      bad_input(gguf.path(), ": tensor ", name, " (offset ", tensor.begin, ", ", tensor.end,
                " bytes) ends beyond the file (", file_size, " bytes); it is truncated or corrupt");
    tensor.begin += data_begin;
    tensor.end += tensor.begin;
    order.emplace_back(tensor.begin, &name);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 1; i < order.size(); ++i)
    if (tensors[*order[i - 1].second].end > order[i].first)
      bad_input(gguf.path(), ": tensors ", *order[i - 1].second, " and ", *order[i].second, " overlap");
}

}  // namespace

uint32_t gguf_type_number(DType dtype) {
  for (const StoredType& type : kStoredTypes)
    if (type.dtype == dtype) return type.number;
  WEFT_CHECK(false, "no GGUF type for ", name(dtype));
}

GgufFile::GgufFile(const std::string& path) {
  files_.emplace_back(path);
  read_one();
  join_parts();
}

GgufFile::GgufFile(MappedFile file) {
  files_.push_back(std::move(file));
  read_one();
}

void GgufFile::read_one() {
  const std::string& path = this->path();
  Cursor in(file());
  if (in.left() < 4 || std::memcmp(in.take(4, "the magic").data(), "GGUF", 4) != 0)
    bad_input(path, " is not a GGUF file: it does not start with GGUF");
  const uint32_t version = in.number<uint32_t>("the version");
  if (version == __builtin_bswap32(2) || version == __builtin_bswap32(3))
    bad_input(path, " is a big-endian GGUF; only little-endian is read");
  if (version != 2 && version != 3) bad_input(path, " is GGUF version ", version, "; versions 2 and 3 are read");

  // The least a description takes: name length and one letter, dims, one dimension, type, offset; a pair:
  // key, type, value.
  constexpr uint64_t kLeastTensor = 8 + 1 + 4 + 8 + 4 + 8, kLeastPair = 8 + 1 + 4 + 1;
  const uint64_t tensor_count = in.number<uint64_t>("the tensor count");
  const uint64_t pair_count = in.number<uint64_t>("the metadata count");
  if (tensor_count > in.left() / kLeastTensor || pair_count > in.left() / kLeastPair)
    bad_input(path, " claims ", tensor_count, " tensors and ", pair_count, " metadata entries, more than its ",
              file().bytes().size(), " bytes can hold");

  for (uint64_t i = 0; i < pair_count; ++i) {
    const std::string key = in.name("a metadata key", kMaxKeyBytes);
    const std::string where = path + ": metadata " + in_quotes(key);
    if (!metadata_.emplace(key, read_value(in, where)).second) bad_input(where, " appears twice");
  }
  for (uint64_t i = 0; i < tensor_count; ++i) {
    const std::string name = in.name("a tensor name", kMaxTensorNameBytes);
    const std::string where = path + ": tensor " + name;
    if (!tensors_.emplace(name, read_tensor(in, where)).second) bad_input(where, " appears twice");
  }
  place_tensors(tensors_, *this, in.position());
}

namespace {

template <class T>
T element(const GgufValue& value, uint64_t index) {
  T result;
  std::memcpy(&result, value.bytes.data() + index * sizeof result, sizeof result);
  return result;
}

std::optional<int64_t> integer(const GgufValue& value, uint64_t index) {
  switch (value.type) {
    case GgufType::u8: return element<uint8_t>(value, index);
    case GgufType::i8: return element<int8_t>(value, index);
    case GgufType::u16: return element<uint16_t>(value, index);
    case GgufType::i16: return element<int16_t>(value, index);
    case GgufType::u32: return element<uint32_t>(value, index);
    case GgufType::i32: return element<int32_t>(value, index);
    case GgufType::i64: return element<int64_t>(value, index);
    case GgufType::u64: {
      const uint64_t wide = element<uint64_t>(value, index);
      if (wide <= static_cast<uint64_t>(INT64_MAX)) return static_cast<int64_t>(wide);
      return std::nullopt;
    }
    default: return std::nullopt;
  }
}

std::optional<double> real(const GgufValue& value, uint64_t index) {
  if (value.type == GgufType::f32) return element<float>(value, index);
  if (value.type == GgufType::f64) return element<double>(value, index);
  if (const auto whole = integer(value, index)) return static_cast<double>(*whole);
  return std::nullopt;
}

[[noreturn]] void wrong_type(const GgufFile& file, std::string_view key, const GgufValue& value, const char* wanted) {
  bad_input(file.path(), ": metadata ", in_quotes(key), " is ", value.is_array ? "an array of " : "a ",
            kValueNames.at(static_cast<size_t>(value.type)), ", not ", wanted);
}

}  // namespace

const GgufValue* GgufFile::find(std::string_view key, bool is_array) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return nullptr;
  if (found->second.is_array != is_array) wrong_type(*this, key, found->second, is_array ? "an array" : "a single value");
  return &found->second;
}

std::optional<int64_t> GgufFile::get_int(std::string_view key) const {
  const GgufValue* value = find(key, false);
  if (!value) return std::nullopt;
  const auto result = integer(*value, 0);
  if (!result) wrong_type(*this, key, *value, "an integer below 2^63");
  return result;
}

std::optional<double> GgufFile::get_float(std::string_view key) const {
  const GgufValue* value = find(key, false);
  if (!value) return std::nullopt;
  const auto result = real(*value, 0);
  if (!result) wrong_type(*this, key, *value, "a number");
  return result;
}

std::optional<bool> GgufFile::get_bool(std::string_view key) const {
  const GgufValue* value = find(key, false);
  if (!value) return std::nullopt;
  if (value->type != GgufType::boolean) wrong_type(*this, key, *value, "a boolean");
  return element<uint8_t>(*value, 0) != 0;
}

std::optional<std::string_view> GgufFile::get_string(std::string_view key) const {
  const GgufValue* value = find(key, false);
  if (!value) return std::nullopt;
  if (value->type != GgufType::string) wrong_type(*this, key, *value, "a string");
  return std::string_view(reinterpret_cast<const char*>(value->bytes.data()) + sizeof(uint64_t),
                          value->bytes.size() - sizeof(uint64_t));
}

std::vector<int64_t> GgufFile::get_int_array(std::string_view key) const {
  const GgufValue* value = find(key, true);
  std::vector<int64_t> result;
  for (uint64_t i = 0; value && i < value->count; ++i) {
    const auto number = integer(*value, i);
    if (!number) wrong_type(*this, key, *value, "an array of integers below 2^63");
    result.push_back(*number);
  }
  return result;
}

std::vector<double> GgufFile::get_float_array(std::string_view key) const {
  const GgufValue* value = find(key, true);
  std::vector<double> result;
  for (uint64_t i = 0; value && i < value->count; ++i) {
    const auto number = real(*value, i);
    if (!number) wrong_type(*this, key, *value, "an array of numbers");
    result.push_back(*number);
  }
  return result;
}

std::vector<std::string_view> GgufFile::get_string_array(std::string_view key) const {
  const GgufValue* value = find(key, true);
  std::vector<std::string_view> result;
  if (!value) return result;
  if (value->type != GgufType::string) wrong_type(*this, key, *value, "an array of strings");
  result.reserve(value->count);
  const char* text = reinterpret_cast<const char*>(value->bytes.data());
  for (uint64_t i = 0; i < value->count; ++i) {  // lengths were checked on opening
    uint64_t length;
    std::memcpy(&length, text, sizeof length);
    result.emplace_back(text + sizeof length, length);
    text += sizeof length + length;
  }
  return result;
}

}  // namespace weft
