#include "kernels/core/dtype.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cmath>

#include "kernels/core/check.h"

namespace weft {
namespace {

constexpr std::array<DTypeInfo, 12> kInfo = {{{"f32", 1, 4},
                                              {"f16", 1, 2},
                                              {"bf16", 1, 2},
                                              {"i32", 1, 4},
                                              {"q8_0", 32, 34},
                                              {"q4_0", 32, 18},
                                              {"q4_1", 32, 20},
                                              {"q5_0", 32, 22},
                                              {"q5_1", 32, 24},
                                              {"q4_K", 256, 144},
                                              {"q5_K", 256, 176},
                                              {"q6_K", 256, 210}}};
constexpr std::array<const char*, 4> kArithmetic = {"f32", "bf16", "f16", "q8"};

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

const DTypeInfo& dtype_info(DType dtype) { return kInfo.at(static_cast<size_t>(dtype)); }

int64_t dtype_bytes(DType dtype, int64_t elements) {
  const DTypeInfo& info = dtype_info(dtype);
  WEFT_CHECK(elements % info.block_elements == 0, elements, " elements are not whole blocks of ", info.name);
  return elements / info.block_elements * info.block_bytes;
}

std::optional<DType> parse_dtype(std::string_view text) {
  for (size_t i = 0; i < kInfo.size(); ++i)
    if (same_ignoring_case(text, kInfo[i].name)) return static_cast<DType>(i);
  return std::nullopt;
}

const char* name(Arithmetic arithmetic) { return kArithmetic.at(static_cast<size_t>(arithmetic)); }

std::optional<Arithmetic> parse_arithmetic(std::string_view text) {
  for (size_t i = 0; i < kArithmetic.size(); ++i)
    if (text == kArithmetic[i]) return static_cast<Arithmetic>(i);
  return std::nullopt;
}

float f16_to_f32(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24 is exact in f32
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -magnitude : magnitude;
  }
  const uint32_t high = exponent == 31 ? 0xffu : exponent + 112;
  return std::bit_cast<float>(sign | high << 23 | mantissa << 13);
}

uint16_t f32_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  if (std::isnan(value)) return sign | 0x7e00u;
  const float magnitude = std::fabs(value);
  if (magnitude >= 65520.0f) return sign | 0x7c00u;  // 65520 is halfway between the largest f16 and the next power
  if (magnitude < 0x1p-14f) return sign | static_cast<uint16_t>(std::nearbyint(magnitude * 0x1p24f));
  const uint32_t m = std::bit_cast<uint32_t>(magnitude);
  const uint32_t rounded = m + 0xfffu + ((m >> 13) & 1u);
  return sign | static_cast<uint16_t>((rounded >> 13) - (112u << 10));
}

uint16_t f32_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace weft
