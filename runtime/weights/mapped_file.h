#pragma once
// A whole file: mapped read-only for what is parsed, and read piece by piece for what is copied. Moves, does not copy.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "parallel/file_descriptor.h"

namespace weft {

class MappedFile {
 public:
  // Refuses what is missing, unreadable, empty or not a regular file.
  explicit MappedFile(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  // Copies the out.size() bytes from `offset` on. Just these are asked of the kernel, nothing is mapped, and a file that has
  // become shorter is refused by name where a mapping would end the process. Several threads may call it.
  void read(size_t offset, std::span<std::byte> out) const;

 private:
  std::string path_;
  FileDescriptor file_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace weft
