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
namespace {

size_t page_size() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};  // a FIFO must not block the open
  if (file.fd < 0) bad_input("cannot open ", path, ": ", std::strerror(errno));
  struct stat status {};
  if (fstat(file.fd, &status) != 0) bad_input("cannot read ", path, ": ", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) bad_input(path, " is not a regular file");
  if (status.st_size == 0) bad_input(path, " is empty");
  size_ = static_cast<size_t>(status.st_size);
  void* mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (mapped == MAP_FAILED) bad_input("cannot map ", path, " (", size_, " bytes): ", std::strerror(errno));
  data_ = static_cast<std::byte*>(mapped);
  madvise(data_, size_, MADV_SEQUENTIAL);  // larger read-ahead; weights are read once, front to back
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile::~MappedFile() {
  if (data_) munmap(data_, size_);
}

void MappedFile::prefault(size_t begin, size_t end) const {
#ifdef MADV_POPULATE_READ
  constexpr size_t kWorthACall = 64 << 10;  // below it the page faults are as cheap
  const size_t first = begin / page_size() * page_size();
  if (end - begin >= kWorthACall) madvise(data_ + first, end - first, MADV_POPULATE_READ);
#endif
}

void MappedFile::release(size_t begin, size_t end) const {
  const size_t first = (begin + page_size() - 1) / page_size() * page_size();
  const size_t last = end / page_size() * page_size();
  if (first < last) madvise(data_ + first, last - first, MADV_DONTNEED);
}

}  // namespace weft
