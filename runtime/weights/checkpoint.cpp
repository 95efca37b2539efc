#include "runtime/weights/checkpoint.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "kernels/core/check.h"
#include "runtime/weights/gguf.h"
#include "runtime/weights/gguf_config.h"
#include "runtime/weights/json.h"
#include "runtime/weights/safetensors.h"

namespace weft {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

// What old checkpoints saved of a rotary embedding.
bool is_rope_buffer(const std::string& name) {
  constexpr std::array<std::string_view, 4> kBuffers = {"inv_freq", "original_inv_freq", "cos_cached", "sin_cached"};
  return std::any_of(kBuffers.begin(), kBuffers.end(),
                     [&](std::string_view buffer) { return name.ends_with("rotary_emb." + std::string(buffer)); });
}

std::optional<DType> readable_dtype(const std::string& safetensors_name) {
  constexpr std::array<std::pair<std::string_view, DType>, 3> kReadable = {
      {{"F32", DType::f32}, {"F16", DType::f16}, {"BF16", DType::bf16}}};
  for (const auto& [name, dtype] : kReadable)
    if (name == safetensors_name) return dtype;
  return std::nullopt;
}

class SafetensorsCheckpoint final : public Checkpoint {
 public:
  explicit SafetensorsCheckpoint(const std::string& directory) {
    path_ = directory;
    if (!fs::is_regular_file(fs::path(directory) / "config.json"))
      bad_input(directory, " has no config.json; a Hugging Face model directory needs one");
    if (fs::exists(fs::path(directory) / kSingleFile))
      for (const auto& [name, entry] : open_shard(kSingleFile)) found_[name] = {kSingleFile, entry};
    else if (fs::exists(fs::path(directory) / kIndexFile))
      open_index();
    else
      bad_input(directory, " has neither ", kSingleFile, " nor ", kIndexFile, "; no other weight file is read");
    add_tensors();
  }

  bool is_gguf() const override { return false; }
  std::string config_json() const override { return read_text_file(file_path("config.json")); }
  std::string generation_config_json() const override {
    const std::string path = file_path("generation_config.json");
    return fs::exists(path) ? read_text_file(path) : "{}";
  }

 private:
  using Entries = std::map<std::string, SafetensorsEntry>;

  std::string file_path(const std::string& file) const { return (fs::path(path_) / file).string(); }

  Entries open_shard(const std::string& file) {
    const auto& shard = shards_.emplace(file, MappedFile(file_path(file))).first->second;
    return read_safetensors_header(shard);
  }

  void add_tensors() {
    const bool base_alone =
        found_.contains("embed_tokens.weight") &&
        std::none_of(found_.begin(), found_.end(), [](const auto& f) { return f.first.starts_with("model."); });
    for (const auto& [stored, found] : found_) {
      const auto& [file, entry] = found;
      if (is_rope_buffer(stored)) continue;
      const std::string name = (base_alone && !stored.starts_with("lm_head.") ? "model." : "") + stored;
      if (const auto dtype = readable_dtype(entry.dtype))
        add(name, {*dtype, entry.shape}, shards_.at(file), entry.begin, entry.end);
      else
        unreadable_[name] = entry.dtype;
    }
    found_.clear();
  }

  void open_index() {
    const std::string index_path = file_path(kIndexFile);
    const json index = parse_json_object(read_text_file(index_path), index_path);
    if (!index.contains("weight_map") || !index["weight_map"].is_object())
      bad_input(index_path, " has no object weight_map");
    std::map<std::string, Entries> shards;
    for (const auto& [name, file] : index["weight_map"].items()) {
      if (!file.is_string()) bad_input(index_path, ": weight_map ", in_quotes(name), " is not a file name");
      const std::string shard = file.get<std::string>();
      if (shard.empty() || shard == "." || shard == ".." || shard.find_first_of(std::string_view("/\\\0", 3)) != shard.npos)
        bad_input(index_path, ": weight_map ", in_quotes(name), " names ", in_quotes(shard),
                  ", not a file of this directory");
      if (!shards.contains(shard)) shards.emplace(shard, open_shard(shard));
      const auto entry = shards[shard].find(name);
      if (entry == shards[shard].end()) bad_input(index_path, ": tensor ", in_quotes(name), " is not in ", shard);
      found_[name] = {shard, entry->second};
    }
  }

  std::map<std::string, MappedFile> shards_;
  std::map<std::string, std::pair<std::string, SafetensorsEntry>> found_;  // file and place, while opening
};

class GgufCheckpoint final : public Checkpoint {
 public:
  explicit GgufCheckpoint(const std::string& path) : file_(path) {
    path_ = path;
    for (const auto& [name, tensor] : file_.tensors())
      add(name, tensor.info, file_.file(tensor.part), tensor.begin, tensor.end);
  }

  bool is_gguf() const override { return true; }
  std::string config_json() const override { return gguf_config_json(file_); }
  std::string generation_config_json() const override { return "{}"; }

 private:
  GgufFile file_;
};

}  // namespace

const TensorInfo& Checkpoint::info(const std::string& name) const {
  if (const auto found = tensors_.find(name); found != tensors_.end()) return found->second;
  if (const auto found = unreadable_.find(name); found != unreadable_.end())
    bad_input(path_, ": tensor ", in_quotes(name), " has type ", found->second, ", which Weft does not read");
  bad_input(path_, " has no tensor ", in_quotes(name));
}

const Checkpoint::Place& Checkpoint::place(const std::string& name) const {
  info(name);  // refuses what is not there
  return places_.at(name);
}

std::pair<size_t, size_t> Checkpoint::position(const std::string& name) const {
  const Place& at = place(name);
  return {at.file, at.begin};
}

void Checkpoint::add(const std::string& name, TensorInfo tensor, const MappedFile& file, size_t begin, size_t end) {
  tensors_[name] = std::move(tensor);
  const auto known = std::find(order_.begin(), order_.end(), &file);
  const auto number = static_cast<size_t>(known - order_.begin());
  if (known == order_.end()) order_.push_back(&file);
  places_.emplace(name, Place{number, begin, end});
  files_[file.path()].push_back(begin);
}

void Checkpoint::read(const std::string& name, Range rows, Range columns, std::byte* out) const {
  const Place& at = place(name);
  const TensorInfo& tensor = info(name);
  const int64_t length = tensor.shape.empty() ? 1 : tensor.shape.back(), row_bytes = dtype_bytes(tensor.dtype, length);
  const int64_t count = row_bytes == 0 ? 0 : static_cast<int64_t>(at.end - at.begin) / row_bytes;
  WEFT_CHECK(0 <= rows.begin && rows.begin <= rows.end && rows.end <= count, name, ": rows [", rows.begin, ", ", rows.end,
             ") of ", count);
  WEFT_CHECK(0 <= columns.begin && columns.begin <= columns.end && columns.end <= length, name, ": columns [", columns.begin,
             ", ", columns.end, ") of ", length);
  const int64_t first = dtype_bytes(tensor.dtype, columns.begin), bytes = dtype_bytes(tensor.dtype, columns.size());
  const auto copy = [&](int64_t row, int64_t n) {
    order_[at.file]->read(at.begin + static_cast<size_t>(row * row_bytes + first), {out, static_cast<size_t>(n)});
    out += n;
    bytes_read_ += n;
  };
  if (bytes == row_bytes) return copy(rows.begin, rows.size() * row_bytes);
  for (int64_t row = rows.begin; row < rows.end; ++row) copy(row, bytes);
}

std::vector<std::byte> Checkpoint::read(const std::string& name) const {
  const Place& at = place(name);
  std::vector<std::byte> bytes(at.end - at.begin);
  order_[at.file]->read(at.begin, bytes);
  bytes_read_ += std::ssize(bytes);
  return bytes;
}

void Checkpoint::check_types(const std::function<bool(const std::string&)>& allowed) const {
  for (const auto& [name, type] : unreadable_)
    if (!allowed || !allowed(name))
      bad_input(path_, ": tensor ", in_quotes(name), " has type ", type, ", which Weft does not read; weights are ",
                is_gguf() ? "F32, F16, BF16 or a block type" : "F32, F16 or BF16");
}

std::unique_ptr<Checkpoint> Checkpoint::open(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) bad_input("model ", path, " does not exist");
  if (fs::is_directory(status)) return std::make_unique<SafetensorsCheckpoint>(path);
  return std::make_unique<GgufCheckpoint>(path);
}

}  // namespace weft
