#pragma once
// A non-owning view of memory: pointer, dtype, device, up to four dimensions. No maths, no ownership (see buffer.h).
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "kernels/core/check.h"
#include "kernels/core/dtype.h"

namespace weft {

enum class Device : uint8_t { cpu, cuda };

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() { return DType::f32; }
template <>
constexpr DType dtype_of<int32_t>() { return DType::i32; }

struct Tensor {
  std::byte* data = nullptr;
  DType dtype = DType::f32;
  Device device = Device::cpu;
  int rank = 0;
  std::array<int64_t, 4> shape{};
  std::array<int64_t, 4> stride{};  // in elements; of block types in blocks

  Tensor() = default;
  // A contiguous view of dims over memory at `data`.
  Tensor(void* data, DType dtype, std::initializer_list<int64_t> dims, Device device = Device::cpu);
  template <class T>
  Tensor(T* data, std::initializer_list<int64_t> dims) : Tensor(data, dtype_of<T>(), dims) {}

  int64_t dim(int i) const { return shape[i < 0 ? i + rank : i]; }
  int64_t elements() const;
  int64_t bytes() const { return dtype_bytes(dtype, elements()); }
  bool contiguous() const;
  std::string describe() const;  // "f32 (5, 576)"

  // Typed pointer; the dtype must match. f16 and bf16 are read with raw<uint16_t>().
  template <class T>
  T* as() const {
    WEFT_CHECK(dtype == dtype_of<T>(), "tensor is ", describe());
    return reinterpret_cast<T*>(data);
  }
  template <class T>
  T* raw() const {
    return reinterpret_cast<T*>(data);
  }

  // Views of the same memory, on the same device.
  Tensor narrow(int dimension, int64_t begin, int64_t end) const;  // [begin, end) of a dimension; of plain types
  Tensor slice(int64_t begin, int64_t end) const { return narrow(0, begin, end); }
  Tensor view(std::initializer_list<int64_t> dims) const;          // of contiguous memory, in another shape
};

}  // namespace weft
