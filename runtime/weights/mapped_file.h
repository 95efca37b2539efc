#pragma once
// A whole file mapped read-only. Moves, does not copy.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

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

  // Hints; both may be ignored by the kernel. prefault: [begin, end) will be read now, map it in one go.
  // release: the pages wholly inside [begin, end) may leave this process's memory; reading them again is
  // still right.
  void prefault(size_t begin, size_t end) const;
  void release(size_t begin, size_t end) const;

 private:
  std::string path_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace weft
