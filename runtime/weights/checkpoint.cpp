#include "runtime/weights/checkpoint.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "kernels/core/check.h"
#include "runtime/weights/gguf.h"
#include "runtime/weights/gguf_config.h"
#include "runtime/weights/json.h"
#include "runtime/weights/mapped_file.h"
#include "runtime/weights/safetensors.h"

namespace weft {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

// Rows of tensors that lie in mapped files; what the two formats share.
class MappedCheckpoint : public Checkpoint {
 public:
  const std::byte* rows(const std::string& name, int64_t begin, int64_t end) override {
    const TensorInfo& tensor = info(name);
    const Place& place = places_.at(name);
    const int64_t row_bytes = dtype_bytes(tensor.dtype, tensor.shape.empty() ? 1 : tensor.shape.back());
    const int64_t count = row_bytes == 0 ? 0 : static_cast<int64_t>(place.end - place.begin) / row_bytes;
    WEFT_CHECK(0 <= begin && begin <= end && end <= count, name, ": rows [", begin, ", ", end, ") of ", count);
    const size_t first = place.begin + static_cast<size_t>(begin * row_bytes);
    place.file->prefault(first, first + static_cast<size_t>((end - begin) * row_bytes));
    return tensor_data(name, tensor, place) + begin * row_bytes;
  }

  void release(const std::string& name) override {
    const Place& place = places_.at(name);
    place.file->release(place.begin, place.end);
    const std::lock_guard lock(mutex_);
    aligned_copies_.erase(name);
  }

 protected:
  struct Place {
    const MappedFile* file;
    size_t begin, end;
  };

  void add(const std::string& name, TensorInfo tensor, Place place) {
    tensors_[name] = std::move(tensor);
    places_.emplace(name, place);
    files_[place.file->path()].push_back(place.begin);
  }

 private:
  // The tensor's first byte; of a safetensors file that does not align its tensors, in a copy.
  const std::byte* tensor_data(const std::string& name, const TensorInfo& tensor, const Place& place) {
    const std::byte* mapped = place.file->bytes().data() + place.begin;
    const size_t alignment = is_quantised(tensor.dtype) ? 2 : static_cast<size_t>(dtype_info(tensor.dtype).block_bytes);
    if (reinterpret_cast<uintptr_t>(mapped) % alignment == 0) return mapped;
    const std::lock_guard lock(mutex_);
    auto& copy = aligned_copies_[name];
    if (copy.empty()) copy.assign(mapped, mapped + (place.end - place.begin));
    return copy.data();
  }

  std::map<std::string, Place> places_;
  std::mutex mutex_;
  std::map<std::string, std::vector<std::byte>> aligned_copies_;
};

// What old checkpoints saved of a rotary embedding.
bool is_rope_buffer(const std::string& name) {
  constexpr std::array<std::string_view, 4> kBuffers = {"inv_freq", "original_inv_freq", "cos_cached", "sin_cached"};
  return std::any_of(kBuffers.begin(), kBuffers.end(),
                     [&](std::string_view buffer) { return name.ends_with("rotary_emb." + std::string(buffer)); });
}

std::optional<DType> readable_dtype(const std::string& safetensors_name) {
  constexpr std::array<std::pair<std::string_view, DType>, 4> kReadable = {
      {{"F32", DType::f32}, {"F16", DType::f16}, {"BF16", DType::bf16}, {"I32", DType::i32}}};
  for (const auto& [name, dtype] : kReadable)
    if (name == safetensors_name) return dtype;
  return std::nullopt;
}

class SafetensorsCheckpoint final : public MappedCheckpoint {
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
        add(name, {*dtype, entry.shape}, {&shards_.at(file), entry.begin, entry.end});
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

class GgufCheckpoint final : public MappedCheckpoint {
 public:
  explicit GgufCheckpoint(const std::string& path) : file_(path) {
    path_ = path;
    for (const auto& [name, tensor] : file_.tensors())
      add(name, tensor.info, {&file_.file(tensor.part), tensor.begin, tensor.end});
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

void Checkpoint::check_types() const {
  const auto refuse = [&](const std::string& name, const std::string& type) {
    bad_input(path_, ": tensor ", in_quotes(name), " has type ", type, ", which Weft does not read; weights are ",
              is_gguf() ? "F32, F16, BF16 or a block type" : "F32, F16 or BF16");
  };
  if (!unreadable_.empty()) refuse(unreadable_.begin()->first, unreadable_.begin()->second);
  for (const auto& [name, info] : tensors_)
    if (info.dtype == DType::i32) refuse(name, "I32");
}

std::unique_ptr<Checkpoint> Checkpoint::open(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) bad_input("model ", path, " does not exist");
  if (fs::is_directory(status)) return std::make_unique<SafetensorsCheckpoint>(path);
  return std::make_unique<GgufCheckpoint>(path);
}

}  // namespace weft
