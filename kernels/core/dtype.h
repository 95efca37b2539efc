#pragma once
// Element types of tensors. The quantised ones are GGUF's, bit for bit; their block layouts are in kernels/quant/blocks.h.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

enum class DType : uint8_t { f32, f16, bf16, i32, q8_0, q4_0, q4_1, q5_0, q5_1, q4_K, q5_K, q6_K };

struct DTypeInfo {
  const char* name;
  int block_elements;  // 1 for plain types
  int block_bytes;
};

const DTypeInfo& dtype_info(DType dtype);
inline const char* name(DType dtype) { return dtype_info(dtype).name; }
inline bool is_quantised(DType dtype) { return dtype_info(dtype).block_elements > 1; }

// Bytes of `elements` consecutive elements; elements must be whole blocks.
int64_t dtype_bytes(DType dtype, int64_t elements);

// By name as printed ("q4_K"), letter case ignored.
std::optional<DType> parse_dtype(std::string_view text);

// The arithmetic of activations (--dtype). The input of every matrix product is rounded to it; sums, norms, softmax
// and the residual stream stay f32. q8: int8 per block of 32 along K with one f32 scale (kernels/quant/quant.h).
enum class Arithmetic : uint8_t { f32, bf16, f16, q8 };

const char* name(Arithmetic arithmetic);
std::optional<Arithmetic> parse_arithmetic(std::string_view text);

// Scalar conversions, round to nearest even; NaN stays NaN.
float f16_to_f32(uint16_t bits);
uint16_t f32_to_f16(float value);
inline float bf16_to_f32(uint16_t bits) { return __builtin_bit_cast(float, uint32_t{bits} << 16); }
uint16_t f32_to_bf16(float value);

}  // namespace weft
