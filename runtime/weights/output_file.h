#pragma once
// A file that appears whole or not at all: it has no name until finish(), so that whatever ends the process leaves nothing. Where
// the file system has no files without names (NFS) it is written beside its path, under a name that ~OutputFile, SIGINT, SIGTERM
// and SIGHUP remove. A device or pipe is written directly.
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
  void finish();  // replaces what was there under this name

 private:
  enum class Form { nameless, beside, direct };

  bool open_nameless();
  void open_beside();
  bool give_name();
  void remove_beside() const;
  [[noreturn]] void fail() const;

  std::string path_, beside_;
  Form form_ = Form::nameless;
  std::FILE* file_ = nullptr;
  size_t size_ = 0;
};

}  // namespace weft
