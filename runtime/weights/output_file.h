#pragma once
// A file that appears whole or not at all: written beside its path, renamed at finish(). A device or pipe is
// written directly.
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace weft {

class OutputFile {
 public:
  explicit OutputFile(const std::string& path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();  // without finish() nothing is left

  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void pad_to(size_t alignment);  // zeros until size() is a multiple of it
  size_t size() const { return size_; }
  void finish();

 private:
  void remove_partial() const;

  std::string path_, partial_path_;
  std::FILE* file_ = nullptr;
  size_t size_ = 0;
};

}  // namespace weft
