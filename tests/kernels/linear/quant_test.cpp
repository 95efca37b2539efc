#include "kernels/quant/quant.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <vector>

#include "tests/support/source_dir.h"

namespace weft::quant {
namespace {

constexpr int64_t kElements = 512;
constexpr DType kTypes[] = {DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0,
                            DType::q5_1, DType::q4_K, DType::q5_K, DType::q6_K};

bool is_k_type(DType dtype) { return dtype_info(dtype).block_elements == 256; }

// quant_golden.bin, made by make_quant_golden.py.
struct Golden {
  struct Type {
    DType dtype;
    std::vector<std::byte> blocks, quantised;
    std::vector<float> values;
  };
  std::vector<float> source = std::vector<float>(kElements);
  std::vector<Type> types;
};

template <class T>
void read(std::ifstream& file, std::vector<T>& out) {
  file.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size() * sizeof(T)));
}

Golden load_golden() {
  std::ifstream file(source_dir() / "tests/kernels/linear/quant_golden.bin", std::ios::binary);
  Golden golden;
  read(file, golden.source);
  for (DType dtype : kTypes) {
    const auto bytes = static_cast<size_t>(dtype_bytes(dtype, kElements));
    Golden::Type type{dtype, std::vector<std::byte>(bytes), {}, std::vector<float>(kElements)};
    if (!is_k_type(dtype)) type.quantised.resize(bytes);
    read(file, type.blocks), read(file, type.values), read(file, type.quantised);
    golden.types.push_back(std::move(type));
  }
  EXPECT_TRUE(file.good() && file.peek() == EOF) << "quant_golden.bin is missing or has another size";
  return golden;
}

TEST(Quant, DequantisesAsGgufDoesBitForBit) {
  for (const Golden::Type& type : load_golden().types) {
    std::vector<float> out(kElements);
    dequantize(type.dtype, type.blocks.data(), out.data(), kElements);
    for (size_t i = 0; i < out.size(); ++i)
      ASSERT_EQ(std::memcmp(&out[i], &type.values[i], sizeof(float)), 0)
          << name(type.dtype) << " element " << i << ": " << out[i] << ", wanted " << type.values[i];
  }
}

TEST(Quant, QuantisesAsGgufDoesBitForBit) {
  const Golden golden = load_golden();
  for (const Golden::Type& type : golden.types) {
    if (is_k_type(type.dtype)) continue;
    std::vector<std::byte> out(type.quantised.size());
    quantize(type.dtype, golden.source.data(), out.data(), kElements);
    for (size_t i = 0; i < out.size(); ++i)
      ASSERT_EQ(out[i], type.quantised[i]) << name(type.dtype) << " byte " << i;
  }
}

// Root mean square error relative to the values'.
double relative_error(DType dtype, const std::vector<float>& x) {
  const auto n = static_cast<int64_t>(x.size());
  std::vector<std::byte> blocks(static_cast<size_t>(dtype_bytes(dtype, n)));
  std::vector<float> back(x.size());
  quantize(dtype, x.data(), blocks.data(), n);
  dequantize(dtype, blocks.data(), back.data(), n);
  double error = 0, size = 0;
  for (size_t i = 0; i < x.size(); ++i) error += std::pow(double{back[i]} - x[i], 2), size += std::pow(double{x[i]}, 2);
  return std::sqrt(error / size);
}

TEST(Quant, KTypesAreAtLeastAsCloseAsTheSimpleTypesOfTheirBits) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> x(64 * 256);
  for (float& v : x) v = normal(random);
  EXPECT_LT(relative_error(DType::q4_K, x), relative_error(DType::q4_0, x));
  EXPECT_LT(relative_error(DType::q5_K, x), relative_error(DType::q5_0, x));
  EXPECT_LT(relative_error(DType::q6_K, x), relative_error(DType::q5_K, x) * 0.6);
  EXPECT_LT(relative_error(DType::q6_K, x), 0.02);
}

TEST(Quant, KTypesTakeZerosConstantsAndExtremes) {
  for (DType dtype : {DType::q4_K, DType::q5_K, DType::q6_K}) {
    std::vector<float> x(3 * 256, 0.0f);
    for (size_t i = 256; i < 512; ++i) x[i] = -3.5f;
    x[600] = 1e4f, x[700] = -1e-8f;
    std::vector<std::byte> blocks(static_cast<size_t>(dtype_bytes(dtype, 768)));
    std::vector<float> back(768);
    quantize(dtype, x.data(), blocks.data(), 768);
    dequantize(dtype, blocks.data(), back.data(), 768);
    for (size_t i = 0; i < 256; ++i) EXPECT_EQ(back[i], 0.0f) << name(dtype);
    for (size_t i = 256; i < 512; ++i) EXPECT_NEAR(back[i], -3.5f, 0.06f) << name(dtype);
    EXPECT_NEAR(back[600], 1e4f, 200) << name(dtype);
  }
}

TEST(Quant, PlainTypesRoundToNearestEven) {
  const float x[] = {1.0f, 1.00390625f, 1.01171875f, 65504.0f, 65520.0f, 1e-8f, -0.0f};
  uint16_t bits[7];
  float back[7];
  quantize(DType::bf16, x, bits, 7);
  dequantize(DType::bf16, bits, back, 7);
  EXPECT_EQ(back[1], 1.0f);
  EXPECT_EQ(back[2], 1.015625f);
  quantize(DType::f16, x, bits, 7);
  dequantize(DType::f16, bits, back, 7);
  EXPECT_EQ(back[3], 65504.0f);
  EXPECT_TRUE(std::isinf(back[4]));
  EXPECT_EQ(back[5], 0.0f);
  EXPECT_TRUE(std::signbit(back[6]));
}

TEST(Quant, Activations) {
  const float x[] = {-127, 63.5f, 0.5f, 1.5f, 2.5f, -0.5f, 0};
  int8_t q[7];
  EXPECT_EQ(quantize_activation(x, 7, q), 1.0f);
  const int8_t expected[] = {-127, 64, 0, 2, 2, 0, 0};
  for (int i = 0; i < 7; ++i) EXPECT_EQ(q[i], expected[i]) << i;

  const float zeros[3] = {}, tiny[] = {1e-40f, -1e-42f};
  EXPECT_EQ(quantize_activation(zeros, 3, q), 0.0f);
  EXPECT_EQ(quantize_activation(tiny, 2, q), 0.0f);
  EXPECT_EQ(q[0], 0);
  EXPECT_EQ(quantize_activation(nullptr, 0, q), 0.0f);
  for (float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const float with_bad[] = {1, bad, 2};
    EXPECT_TRUE(std::isnan(quantize_activation(with_bad, 3, q)));
  }
}

}  // namespace
}  // namespace weft::quant
