#pragma once
// Hand-made model files for the tests of runtime/weights: every byte can be chosen, valid or not.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "kernels/core/check.h"

namespace weft::test {

class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-weights-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempDirectory() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return *this / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}
template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// The sentence with which `action` refuses its input; a test failure if it does not, or in another way.
inline std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find('\n'), text.npos) << text;
    EXPECT_LT(text.size(), 600u) << text;
    return text;
  }
  ADD_FAILURE() << "accepted";
  return "";
}

inline std::string safetensors(const std::string& header, const std::string& data) {
  return raw(uint64_t{header.size()}) + header + data;
}

inline std::string gguf_text(const std::string& text) { return raw(uint64_t{text.size()}) + text; }

// One metadata entry; `value` is what follows the type.
inline std::string gguf_pair(const std::string& key, uint32_t type, const std::string& value) {
  return gguf_text(key) + raw(type) + value;
}
inline std::string gguf_u32(const std::string& key, uint32_t value) { return gguf_pair(key, 4, raw(value)); }
inline std::string gguf_f32(const std::string& key, float value) { return gguf_pair(key, 6, raw(value)); }
inline std::string gguf_string(const std::string& key, const std::string& value) {
  return gguf_pair(key, 8, gguf_text(value));
}
inline std::string gguf_strings(const std::string& key, const std::vector<std::string>& values) {
  std::string body = raw(uint32_t{8}) + raw(uint64_t{values.size()});
  for (const auto& value : values) body += gguf_text(value);
  return gguf_pair(key, 9, body);
}
// dims in GGUF's order: fastest first.
inline std::string gguf_tensor(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset) {
  return gguf_text(name) + raw(static_cast<uint32_t>(dims.size())) + raw(dims) + raw(type) + raw(offset);
}

struct GgufParts {
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::vector<std::string> pairs = {}, tensors = {};
  std::string data = {};
  std::optional<uint64_t> tensor_count = {}, pair_count = {};  // the true ones unless set
  size_t alignment = 32;

  std::string bytes() const {
    std::string out =
        magic + raw(version) + raw(tensor_count.value_or(tensors.size())) + raw(pair_count.value_or(pairs.size()));
    for (const auto& pair : pairs) out += pair;
    for (const auto& tensor : tensors) out += tensor;
    out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data;
  }
};

// A few random edits: flipped bits, overwritten integers, cut, doubled and moved pieces.
inline std::string mutate(std::string bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto position = [&] { return bytes.empty() ? 0 : random() % bytes.size(); };
  for (uint64_t edit = 1 + random() % 4; edit > 0; --edit) switch (random() % 6) {
      case 0:
        if (!bytes.empty()) bytes[position()] ^= static_cast<char>(1u << random() % 8);
        break;
      case 1:
        if (!bytes.empty()) bytes[position()] = static_cast<char>(random());
        break;
      case 2: {  // an extreme 64-bit number
        constexpr uint64_t kExtremes[] = {
            0, 1, ~uint64_t{0}, uint64_t{1} << 63, uint64_t{1} << 61, (uint64_t{1} << 32) - 1, 1u << 31};
        const std::string number = raw(kExtremes[random() % std::size(kExtremes)]);
        const size_t at = position();
        bytes.replace(at, std::min<size_t>(8, bytes.size() - at), number);
        break;
      }
      case 3: bytes.resize(position()); break;
      case 4: bytes.insert(position(), bytes.substr(position(), random() % 24)); break;
      case 5: bytes.erase(position(), random() % 16); break;
    }
  return bytes;
}

}  // namespace weft::test
