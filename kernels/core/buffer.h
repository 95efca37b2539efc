#pragma once
// Owners of memory. Everything is sized once at start; nothing allocates per token.
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "kernels/core/tensor.h"

namespace weft {

// Zero-filled, page-aligned bytes straight from the kernel: pages cost nothing until touched, and freeing returns them.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t bytes);
  Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
};

// Bump allocator over one Buffer. Allocations are 64-byte aligned and uninitialised; running out is a CheckError, since
// every user's need is known beforehand. Scope gives back what was taken since it was made.
class Arena {
 public:
  explicit Arena(int64_t bytes) : buffer_(bytes) {}
  // For a dry run, which finds out how much a real one takes: without end, at addresses that nobody can read or write.
  static Arena measuring();
  bool is_measuring() const { return measuring_; }
  int64_t peak() const { return peak_; }  // most that was taken at one time

  void* allocate(int64_t bytes);
  Tensor tensor(DType dtype, std::initializer_list<int64_t> dims);
  template <class T>
  T* array(int64_t n) {
    return static_cast<T*>(allocate(n * static_cast<int64_t>(sizeof(T))));
  }
  void touch(int64_t bytes) { const Scope scope(*this); allocate(bytes); }  // what an op would have taken
  int64_t used() const { return used_; }
  int64_t capacity() const { return buffer_.bytes(); }

  class Scope {
   public:
    explicit Scope(Arena& arena) : arena_(arena), mark_(arena.used_) {}
    ~Scope() { arena_.used_ = mark_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Arena& arena_;
    int64_t mark_;
  };

  // What an allocation of `bytes` takes from the arena.
  static constexpr int64_t padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

 private:
  Buffer buffer_;
  int64_t used_ = 0, peak_ = 0;
  bool measuring_ = false;
};

}  // namespace weft
