#include "runtime/weights/file_traits.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>

#include "kernels/core/check.h"
#include "parallel/file_descriptor.h"
#include "runtime/weights/companion_files.h"
#include "runtime/weights/gguf.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBorders = 4096, kSpread = 32, kWindow = 1024;

struct Range {
  size_t begin, end;
};

// Read beside the mapping: sampled pages count neither as resident memory nor start the mapping's read-ahead.
class SampledFile {
 public:
  explicit SampledFile(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (!fd_) fail();
    ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_RANDOM);
  }

  std::string hash(const std::vector<Range>& ranges) const {
    for (const auto& [begin, end] : ranges)  // a slow disk or network gets all requests at once
      ::posix_fadvise(fd_.get(), static_cast<off_t>(begin), static_cast<off_t>(end - begin), POSIX_FADV_WILLNEED);
    const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(), XXH3_freeState);
    XXH3_64bits_reset(state.get());
    for (const Range& range : ranges) add(range, *state);
    return cat("XXH3 ", std::hex, XXH3_64bits_digest(state.get()));
  }

 private:
  void add(Range range, XXH3_state_t& state) const {
    std::array<char, 64 << 10> buffer;
    while (range.begin < range.end) {
      const size_t wanted = std::min(buffer.size(), range.end - range.begin);
      const ssize_t n = ::pread(fd_.get(), buffer.data(), wanted, static_cast<off_t>(range.begin));
      if (n < 0) fail();
      if (n == 0) bad_input(path_, " became shorter while it was read");
      XXH3_64bits_update(&state, buffer.data(), static_cast<size_t>(n));
      range.begin += static_cast<size_t>(n);
    }
  }
  [[noreturn]] void fail() const { bad_input("cannot read ", path_, ": ", std::strerror(errno)); }

  std::string path_;
  FileDescriptor fd_;
};

std::vector<Range> sample(std::vector<size_t> tensors, size_t size, size_t most_borders) {
  std::sort(tensors.begin(), tensors.end());
  const size_t first = tensors.front(), borders = std::min(tensors.size(), most_borders),
               window = std::min(kWindow, size - first);
  std::vector<Range> ranges;
  for (size_t i = 0; i < borders; ++i) {
    const size_t border = tensors[i * tensors.size() / borders];
    ranges.push_back({border - std::min(border - first, kWindow / 2), std::min(size, border + kWindow / 2)});
  }
  for (size_t i = 0; i < kSpread; ++i) {
    const size_t begin = first + (size - first - window) / (kSpread - 1) * i;
    ranges.push_back({begin, begin + window});
  }
  ranges.push_back({size - window, size});
  return ranges;
}

void add_weights(Traits& traits, const std::string& path, const std::vector<size_t>& tensors, size_t most_borders) {
  const size_t size = fs::file_size(path);
  const SampledFile file(path);
  traits.emplace_back(path, cat(size, " bytes"));
  traits.emplace_back(path, cat("a header of ", file.hash({{0, *std::min_element(tensors.begin(), tensors.end())}})));
  traits.emplace_back(path, cat("data of ", file.hash(sample(tensors, size, most_borders))));
}

void add_text(Traits& traits, const fs::path& path) {
  if (!fs::is_regular_file(path)) {
    traits.emplace_back(path, "no such file");
    return;
  }
  const size_t size = fs::file_size(path);
  traits.emplace_back(path, cat(size, " bytes"));
  traits.emplace_back(path, cat("contents of ", SampledFile(path).hash({{0, size}})));
}

// Of a Hugging Face directory.
void add_companions(Traits& traits, const fs::path& directory) {
  for (const char* name : kCompanionFiles) add_text(traits, directory / name);
  std::set<fs::path> templates;
  if (const fs::path more = directory / kMoreChatTemplates; fs::is_directory(more))
    for (const auto& entry : fs::directory_iterator(more)) templates.insert(entry.path());
  traits.emplace_back(directory / kMoreChatTemplates, cat(templates.size(), " files"));
  for (const fs::path& path : templates) add_text(traits, path);
}

}  // namespace

Traits text_traits(const std::string& model_path) {
  Traits traits;
  if (fs::is_directory(model_path)) {
    add_companions(traits, model_path);
    return traits;
  }
  const GgufFile file(model_path);
  size_t header = file.file().bytes().size();
  for (const auto& [name, tensor] : file.tensors())
    if (tensor.part == 0) header = std::min(header, tensor.begin);
  traits.emplace_back(model_path, cat("a header of ", SampledFile(model_path).hash({{0, header}})));
  return traits;
}

Traits file_traits(const Checkpoint& checkpoint) {
  Traits traits{{checkpoint.path(), checkpoint.is_gguf() ? "a GGUF file" : "a Hugging Face directory"}};
  if (!checkpoint.is_gguf()) {
    const fs::path directory = checkpoint.path();
    for (const char* name : {"config.json", "model.safetensors.index.json"}) add_text(traits, directory / name);
    add_companions(traits, directory);
  }
  const auto& files = checkpoint.files();
  for (const auto& [path, tensors] : files)
    add_weights(traits, path, tensors, std::max<size_t>(kMostBorders / files.size(), 1));
  return traits;
}

}  // namespace weft
