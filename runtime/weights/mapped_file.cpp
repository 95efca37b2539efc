#include "runtime/weights/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "kernels/core/check.h"

namespace weft {

MappedFile::MappedFile(const std::string& path)
    : path_(path), file_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {  // a FIFO must not block the open
  if (!file_) bad_input("cannot open ", path, ": ", std::strerror(errno));
  struct stat status {};
  if (fstat(file_.get(), &status) != 0) bad_input("cannot read ", path, ": ", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) bad_input(path, " is not a regular file");
  if (status.st_size == 0) bad_input(path, " is empty");
  size_ = static_cast<size_t>(status.st_size);
  void* mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file_.get(), 0);
  if (mapped == MAP_FAILED) bad_input("cannot map ", path, " (", size_, " bytes): ", std::strerror(errno));
  data_ = static_cast<std::byte*>(mapped);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::move(other.file_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile::~MappedFile() {
  if (data_) munmap(data_, size_);
}

void MappedFile::read(size_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t n = pread(file_.get(), out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) bad_input("cannot read ", path_, " at byte ", offset, ": ", std::strerror(errno));
    if (n == 0) bad_input(path_, " ends at byte ", offset, ": it has become shorter since it was opened");
    offset += static_cast<size_t>(n);
    out = out.subspan(static_cast<size_t>(n));
  }
}

}  // namespace weft
