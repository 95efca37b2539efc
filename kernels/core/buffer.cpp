#include "kernels/core/buffer.h"

#include <algorithm>

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace weft {

Buffer::Buffer(int64_t bytes) : bytes_(bytes) {
  WEFT_CHECK(bytes >= 0, bytes);
  if (bytes == 0) return;
  void* memory = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) bad_input("cannot allocate ", bytes >> 20, " MiB of memory: ", std::strerror(errno));
  madvise(memory, static_cast<size_t>(bytes), MADV_HUGEPAGE);  // fewer TLB misses when weights stream; advice only
  data_ = static_cast<std::byte*>(memory);
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Buffer::~Buffer() {
  if (data_) munmap(data_, static_cast<size_t>(bytes_));
}

Arena Arena::measuring() {
  Arena arena(0);
  arena.measuring_ = true;
  return arena;
}

void* Arena::allocate(int64_t bytes) {
  WEFT_CHECK(bytes >= 0 && (measuring_ || used_ + padded(bytes) <= buffer_.bytes()), "workspace: ", bytes, " bytes wanted, ",
             buffer_.bytes() - used_, " of ", buffer_.bytes(), " left");
  // No process has memory there: it is between the two halves of what CPUs can address.
  constexpr uintptr_t kNowhere = uintptr_t{1} << 52;
  std::byte* base = measuring_ ? reinterpret_cast<std::byte*>(kNowhere) : buffer_.data();  // NOLINT
  void* memory = base + used_;
  used_ += padded(bytes);
  peak_ = std::max(peak_, used_);
  return memory;
}

Tensor Arena::tensor(DType dtype, std::initializer_list<int64_t> dims) {
  Tensor view(nullptr, dtype, dims);
  view.data = static_cast<std::byte*>(allocate(view.bytes()));
  return view;
}

}  // namespace weft
