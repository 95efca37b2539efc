#include "kernels/matrix/packed_matrix.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "kernels/quant/quant.h"
#include "tests/kernels/linear/linear_cases.h"

namespace weft::testing {
namespace {

class Packed : public ::testing::TestWithParam<DType> {};

// Any bytes are valid blocks; only the f16 scales must not be NaN or infinite, or values could not be
// compared.
std::vector<std::byte> random_bits(DType dtype, int64_t elements, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(static_cast<size_t>(dtype_bytes(dtype, elements)));
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  if (dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16) return random_rows(dtype, 1, elements, 1.0f, seed);
  const auto block = static_cast<size_t>(dtype_info(dtype).block_bytes);
  for (size_t at = 0; at < bytes.size(); at += block)
    for (size_t high : dtype == DType::q6_K ? std::vector<size_t>{block - 1} : std::vector<size_t>{1, 3})
      bytes[at + high] &= std::byte{0xbf};
  return bytes;
}

TEST_P(Packed, UnpacksExactlyWhatWasStored) {
  const DType dtype = GetParam();
  for (int64_t n : {1, 31, 32, 33, 70}) {
    for (int64_t offset : {0, 3, 256}) {
      const int64_t k = 256, k_stored = 768;
      const auto rows = random_bits(dtype, n * k_stored, static_cast<uint32_t>(n + offset));
      const int64_t row_bytes = dtype_bytes(dtype, k_stored);
      PackedMatrix w(k, offset, k_stored);
      w.append(dtype, n, rows.data(), row_bytes);
      EXPECT_EQ(w.n(), n);
      std::vector<float> expected(static_cast<size_t>(k_stored)), row(static_cast<size_t>(k));
      for (int64_t i = 0; i < n; ++i) {
        quant::dequantize(dtype, rows.data() + i * row_bytes, expected.data(), k_stored);
        w.unpack_row(i, row.data());
        ASSERT_EQ(std::memcmp(row.data(), expected.data() + offset, row.size() * sizeof(float)), 0)
            << "row " << i << " of " << n << ", offset " << offset;
      }
    }
  }
}

TEST_P(Packed, StaysCloseToTheStoredSize) {
  const DType dtype = GetParam();
  PackedMatrix w(1536, 0, 1536);
  w.add_segment(dtype, 576);
  EXPECT_LE(w.bytes(), dtype_bytes(dtype, 1536 * 576) * 103 / 100);
}

TEST_P(Packed, PiecesEqualTheWhole) {
  const DType dtype = GetParam();
  const int64_t row_bytes = dtype_bytes(dtype, 256);
  const auto rows = random_bits(dtype, 100 * 256, 3);
  PackedMatrix whole(256, 0, 256), pieces(256, 0, 256);
  whole.append(dtype, 100, rows.data(), row_bytes);
  const int segment = pieces.add_segment(dtype, 100);
  pieces.fill(segment, 64, 36, rows.data() + 64 * row_bytes, row_bytes);
  pieces.fill(segment, 0, 64, rows.data(), row_bytes);
  const PackedMatrix::Segment &a = whole.segments()[0], &b = pieces.segments()[0];
  ASSERT_EQ(a.bytes(), b.bytes());
  EXPECT_EQ(std::memcmp(a.panels, b.panels, static_cast<size_t>(a.bytes())), 0);
  EXPECT_THROW(pieces.fill(segment, 16, 84, rows.data(), row_bytes), CheckError);
  EXPECT_THROW(pieces.fill(segment, 0, 20, rows.data(), row_bytes), CheckError);
  EXPECT_THROW(pieces.fill(segment, 64, 64, rows.data(), row_bytes), CheckError);
}

INSTANTIATE_TEST_SUITE_P(All, Packed,
                         ::testing::Values(DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::q4_1,
                                           DType::q5_0, DType::q5_1, DType::q4_K, DType::q5_K, DType::q6_K),
                         [](const auto& p) { return std::string(name(p.param)); });

TEST(PackedMatrix, OutlivesTheMatricesMadeBesideIt) {
  const auto rows = random_bits(DType::q8_0, 40 * 64, 4);
  std::vector<float> expected(64), row(64);
  quant::dequantize(DType::q8_0, rows.data() + 39 * 68, expected.data(), 64);
  auto before = std::make_unique<PackedMatrix>(64, 0, 64), after = std::make_unique<PackedMatrix>(64, 0, 64);
  before->append(DType::q8_0, 40, rows.data(), 68);
  PackedMatrix kept(64, 0, 64);
  kept.append(DType::q8_0, 40, rows.data(), 68);
  after->append(DType::q8_0, 40, rows.data(), 68);
  before.reset(), after.reset();
  kept.unpack_row(39, row.data());
  EXPECT_EQ(row, expected);
}

TEST(PackedMatrix, RefusesWhatDoesNotFit) {
  PackedMatrix w(40, 0, 40);
  EXPECT_THROW(w.add_segment(DType::q8_0, 4), CheckError);
  EXPECT_THROW(PackedMatrix(40, 1, 40), CheckError);
  w.add_segment(DType::f32, 4);
  EXPECT_THROW(w.set_bias(std::vector<float>(5)), CheckError);
}

}  // namespace
}  // namespace weft::testing
