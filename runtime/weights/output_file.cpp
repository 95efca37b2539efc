#include "runtime/weights/output_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "kernels/core/check.h"

namespace weft {

OutputFile::OutputFile(const std::string& path) : path_(path), partial_path_(cat(path, ".partial.", getpid())) {
  struct stat status {};
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) partial_path_ = path;  // /dev/null, a pipe
  file_ = std::fopen(partial_path_.c_str(), "wb");
  if (!file_) bad_input("cannot write ", path_, ": ", std::strerror(errno));
}

OutputFile::~OutputFile() {
  if (!file_) return;
  std::fclose(file_);
  remove_partial();
}

void OutputFile::remove_partial() const {
  if (partial_path_ != path_) std::remove(partial_path_.c_str());
}

void OutputFile::write(const void* data, size_t bytes) {
  WEFT_CHECK(file_, path_, " is finished");
  if (bytes && std::fwrite(data, 1, bytes, file_) != bytes) bad_input("cannot write ", path_, ": ", std::strerror(errno));
  size_ += bytes;
}

void OutputFile::pad_to(size_t alignment) {
  constexpr std::array<char, 64> kZeros{};
  WEFT_CHECK(alignment <= kZeros.size(), "alignment ", alignment);
  write(kZeros.data(), (alignment - size_ % alignment) % alignment);
}

void OutputFile::finish() {
  WEFT_CHECK(file_, path_, " is finished");
  const bool closed = std::fclose(file_) == 0;
  file_ = nullptr;
  if (!closed || (partial_path_ != path_ && std::rename(partial_path_.c_str(), path_.c_str()) != 0)) {
    const int error = errno;
    remove_partial();
    bad_input("cannot write ", path_, ": ", std::strerror(error));
  }
}

}  // namespace weft
