// Models split over several files by llama.cpp's gguf-split: every part is a GGUF with tensors of its own, the first has the
// metadata, and all say which part they are (split.no from 0, split.count, split.tensors.count).
#include <filesystem>

#include "kernels/core/check.h"
#include "runtime/weights/gguf.h"
#include "runtime/weights/json.h"

namespace weft {
namespace {

constexpr int64_t kMaxParts = 65535;

// "-00002-of-00003.gguf"
std::string ending(int64_t part, int64_t parts) {
  char text[64];
  std::snprintf(text, sizeof text, "-%05lld-of-%05lld.gguf", static_cast<long long>(part), static_cast<long long>(parts));
  return text;
}

struct Split {
  int64_t part = 1, parts = 1;  // counted from 1
  std::string stem;             // the path without the ending; empty if the file has another name

  explicit Split(const GgufFile& file) {
    parts = file.get_int("split.count").value_or(1);
    part = file.get_int("split.no").value_or(0) + 1;
    if (parts == 0) parts = 1;
    if (parts < 1 || parts > kMaxParts || part < 1 || part > parts)
      bad_input(file.path(), " says it is part ", part, " of ", parts, " of a split GGUF");
    const std::string own = ending(part, parts);
    if (file.path().ends_with(own)) stem = file.path().substr(0, file.path().size() - own.size());
  }
  std::string path(int64_t i) const { return stem + ending(i, parts); }
};

}  // namespace

void GgufFile::join_parts() {
  const Split split(*this);
  if (split.parts == 1) return;
  const std::string alone = cat(path(), " is part ", split.part, " of ", split.parts, " of a split GGUF");
  if (split.stem.empty())
    bad_input(alone, ", but its name does not end in ", ending(split.part, split.parts), ": rename all parts so");
  if (split.part != 1) bad_input(alone, "; open its first part, ", split.path(1));

  for (int64_t i = 2; i <= split.parts; ++i) {
    const std::string part_path = split.path(i);
    if (!std::filesystem::exists(part_path)) bad_input(alone, ", and part ", i, ", ", part_path, ", is missing");
    GgufFile part(MappedFile{part_path});
    const Split other(part);
    if (other.part != i || other.parts != split.parts)
      bad_input(part_path, " says it is part ", other.part, " of ", other.parts, " of a split GGUF, not ", i, " of ",
                split.parts);
    for (auto& [name, tensor] : part.tensors_) {
      tensor.part = files_.size();
      if (!tensors_.emplace(name, tensor).second) bad_input(part_path, ": tensor ", name, " is in an earlier part too");
    }
    files_.push_back(std::move(part.files_.front()));
  }
  const int64_t count = get_int("split.tensors.count").value_or(static_cast<int64_t>(tensors_.size()));
  if (count != static_cast<int64_t>(tensors_.size()))
    bad_input(path(), ": the ", split.parts, " parts hold ", tensors_.size(), " tensors, and split.tensors.count says ",
              count);
}

}  // namespace weft
