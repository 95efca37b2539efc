#include "kernels/matrix/packed_matrix.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "kernels/core/check.h"
#include "kernels/matrix/packed_format.h"
#include "kernels/quant/blocks.h"
#include "kernels/quant/codes.h"
#include "kernels/quant/quant.h"

namespace weft {
namespace {

constexpr int kLanes = PackedMatrix::kPanel;
constexpr uint32_t kLowNibbles = 0x0f0f0f0f, kLowPairs = 0x03030303, kBit0 = 0x01010101;

// 32 codes of a row as eight 32-bit words.
using Words = uint32_t[8];

// Four bits, one from each byte, gathered to bits 0..3; and back.
uint32_t gather_bits(uint32_t bytes) { return ((bytes & kBit0) * 0x01020408u) >> 24; }
uint32_t spread_bits(uint32_t bits) { return (bits * 0x00204081u) & kBit0; }

void put_word(std::byte* plane, int j, int lane, uint32_t word) { std::memcpy(plane + (j * kLanes + lane) * 4, &word, 4); }
uint32_t get_word(const std::byte* plane, int j, int lane) {
  uint32_t word;
  std::memcpy(&word, plane + (j * kLanes + lane) * 4, 4);
  return word;
}

// `plane` is the code plane of a sub-block, followed by its high plane.
void put_codes(const PackedFormat& f, std::byte* plane, int lane, const Words& c) {
  if (f.code_bytes == 1024) {
    for (int j = 0; j < 8; ++j) put_word(plane, j, lane, c[j]);
    return;
  }
  for (int j = 0; j < 4; ++j) put_word(plane, j, lane, (c[j] & kLowNibbles) | (c[j + 4] & kLowNibbles) << 4);
  std::byte* high = plane + f.code_bytes;
  if (f.high_bytes == 128) {
    for (int j = 0; j < 8; ++j) {
      const int nibble = j * kLanes + lane;
      std::byte& out = high[nibble / 2];
      const std::byte keep = nibble % 2 ? std::byte{0x0f} : std::byte{0xf0};
      out = (out & keep) | static_cast<std::byte>(gather_bits(c[j] >> 4) << (nibble % 2 * 4));
    }
  } else if (f.high_bytes == 256) {
    for (int j = 0; j < 2; ++j) {
      uint32_t word = 0;
      for (int p = 0; p < 4; ++p) word |= ((c[j + 2 * p] >> 4) & kLowPairs) << (2 * p);
      put_word(high, j, lane, word);
    }
  }
}

void get_codes(const PackedFormat& f, const std::byte* plane, int lane, Words& c) {
  if (f.code_bytes == 1024) {
    for (int j = 0; j < 8; ++j) c[j] = get_word(plane, j, lane);
    return;
  }
  const std::byte* high = plane + f.code_bytes;
  for (int j = 0; j < 8; ++j) {
    c[j] = (get_word(plane, j % 4, lane) >> (j / 4 * 4)) & kLowNibbles;
    if (f.high_bytes == 128) {
      const int nibble = j * kLanes + lane;
      c[j] |= spread_bits((static_cast<uint32_t>(high[nibble / 2]) >> (nibble % 2 * 4)) & 15) << 4;
    } else if (f.high_bytes == 256) {
      c[j] |= ((get_word(high, j % 2, lane) >> (j / 2 * 2)) & kLowPairs) << 4;
    }
  }
}

void put_f16(std::byte* header, int which, int lane, quant::f16 value) {
  std::memcpy(header + (which * kLanes + lane) * 2, &value, 2);
}
float get_f16(const std::byte* header, int which, int lane) {
  quant::f16 bits;
  std::memcpy(&bits, header + (which * kLanes + lane) * 2, 2);
  return f16_to_f32(bits);
}

// The scales of one stored block, and the one or two bytes a sub-block has.
void put_scales(DType dtype, const std::byte* block, std::byte* header, int lane) {
  const PackedFormat f = packed_format(dtype);
  if (dtype == DType::q6_K) {
    const auto& b = *reinterpret_cast<const quant::BlockQ6_K*>(block);
    put_f16(header, 0, lane, b.d);
    for (int i = 0; i < 16; ++i)
      header[f.header_bytes + i / 2 * f.sub_bytes() + i % 2 * kLanes + lane] = static_cast<std::byte>(b.scales[i]);
    return;
  }
  quant::f16 values[2];  // all others begin with d and, where they have one, the minimum or dmin
  std::memcpy(values, block, sizeof values);
  for (int i = 0; i < f.header_bytes / 64; ++i) put_f16(header, i, lane, values[i]);
  if (f.subs == 8) {
    const auto& b = *reinterpret_cast<const quant::BlockQ4_K*>(block);
    for (int sub = 0; sub < 8; ++sub) {
      const quant::ScaleMin s = quant::read_scale_min(b.scales, sub);
      std::byte* scales = header + f.header_bytes + sub * f.sub_bytes();
      scales[lane] = std::byte{s.scale}, scales[kLanes + lane] = std::byte{s.min};
    }
  }
}

void pack_quantised(DType dtype, const std::byte* row, int64_t blocks, std::byte* panel, int lane) {
  const PackedFormat f = packed_format(dtype);
  const int stored_bytes = dtype_info(dtype).block_bytes;
  for (int64_t b = 0; b < blocks; ++b, row += stored_bytes, panel += f.block_bytes()) {
    put_scales(dtype, row, panel, lane);
    for (int sub = 0; sub < f.subs; ++sub) {
      alignas(4) uint8_t codes[32];
      quant::read_codes(dtype, row, sub, codes);
      Words words;
      std::memcpy(words, codes, sizeof words);
      put_codes(f, panel + f.header_bytes + sub * f.sub_bytes() + f.scale_bytes, lane, words);
    }
  }
}

// Elements [lane][i] to [i][lane], for i in [begin, n) and all lanes side by side, so that each cache line of the panel is
// written once.
template <class T, class Transform>
void interleave(const std::byte* rows, int64_t row_bytes, int lanes, int64_t begin, int64_t n, std::byte* panel,
                Transform transform) {
  constexpr int64_t kTile = 64;
  for (; begin < n; begin += kTile)
    for (int lane = 0; lane < lanes; ++lane) {
      const std::byte* row = rows + lane * row_bytes;
      for (int64_t i = begin; i < std::min(n, begin + kTile); ++i) {
        T element;
        std::memcpy(&element, row + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
        element = transform(element);
        std::memcpy(panel + (i * kLanes + lane) * static_cast<int64_t>(sizeof(T)), &element, sizeof(T));
      }
    }
}

// The same for words of 32 bits and full panels, in squares of 4 by 4 that vector registers turn: three times as fast.
template <class Transform>
void interleave_words(const std::byte* rows, int64_t row_bytes, int lanes, int64_t n, std::byte* panel, Transform transform) {
  typedef uint32_t Four __attribute__((vector_size(16)));
  const int64_t squares = lanes == kLanes ? n / 4 : 0;
  for (int64_t i = 0; i < 4 * squares; i += 4)
    for (int lane = 0; lane < kLanes; lane += 4) {
      Four r[4];
      for (int j = 0; j < 4; ++j) {
        std::memcpy(&r[j], rows + (lane + j) * row_bytes + i * 4, sizeof(Four));
        r[j] = transform(r[j]);
      }
      const Four a = __builtin_shuffle(r[0], r[1], Four{0, 4, 1, 5}), b = __builtin_shuffle(r[0], r[1], Four{2, 6, 3, 7});
      const Four c = __builtin_shuffle(r[2], r[3], Four{0, 4, 1, 5}), d = __builtin_shuffle(r[2], r[3], Four{2, 6, 3, 7});
      const Four turned[4] = {__builtin_shuffle(a, c, Four{0, 1, 4, 5}), __builtin_shuffle(a, c, Four{2, 3, 6, 7}),
                              __builtin_shuffle(b, d, Four{0, 1, 4, 5}), __builtin_shuffle(b, d, Four{2, 3, 6, 7})};
      for (int j = 0; j < 4; ++j) std::memcpy(panel + ((i + j) * kLanes + lane) * 4, &turned[j], sizeof(Four));
    }
  interleave<uint32_t>(rows, row_bytes, lanes, 4 * squares, n, panel, transform);
}

void pack_plain(DType dtype, const std::byte* rows, int64_t row_bytes, int lanes, int64_t k, std::byte* panel) {
  const auto same = [](auto x) { return x; };
  if (dtype == DType::f32) return interleave_words(rows, row_bytes, lanes, k, panel, same);
  if (dtype == DType::f16) return interleave<uint16_t>(rows, row_bytes, lanes, 0, k, panel, same);
  // bf16: a row's pair of columns is a word already, with its halves the other way round.
  interleave_words(rows, row_bytes, lanes, k / 2, panel, [](auto pair) { return pair << 16 | pair >> 16; });
  if (k % 2 == 0) return;
  for (int lane = 0; lane < lanes; ++lane) {
    uint16_t last;
    std::memcpy(&last, rows + lane * row_bytes + (k - 1) * 2, sizeof last);
    put_word(panel + k / 2 * kLanes * 4, 0, lane, uint32_t{last} << 16);
  }
}

float plain_value(DType dtype, const std::byte* panel, int64_t k, int lane) {
  float value;
  if (dtype == DType::bf16) {
    const uint32_t pair = get_word(panel + k / 2 * kLanes * 4, 0, lane);
    return bf16_to_f32(static_cast<uint16_t>(k % 2 ? pair : pair >> 16));
  }
  quant::dequantize(dtype, panel + (k * kLanes + lane) * dtype_info(dtype).block_bytes, &value, 1);
  return value;
}

int64_t bytes_of_panel(DType dtype, int64_t k_stored) {
  if (dtype == DType::bf16) return (k_stored + 1) / 2 * 4 * kLanes;
  if (!is_quantised(dtype)) return k_stored * dtype_info(dtype).block_bytes * kLanes;
  return k_stored / dtype_info(dtype).block_elements * packed_format(dtype).block_bytes();
}

// Values of columns [32 sub, 32 sub + 32) of a packed block, as quant::dequantize gives them.
void unpack_sub_block(DType dtype, const std::byte* block, int sub, int lane, float out[32]) {
  const PackedFormat f = packed_format(dtype);
  const std::byte* scales = block + f.header_bytes + sub * f.sub_bytes();
  Words words;
  get_codes(f, scales + f.scale_bytes, lane, words);
  uint8_t codes[32];
  std::memcpy(codes, words, sizeof codes);
  const float d = get_f16(block, 0, lane);
  const int zero = quant::zero_point(dtype);
  for (int i = 0; i < 32; ++i) {
    const auto code = static_cast<float>(codes[i] - zero);
    if (dtype == DType::q6_K) {
      out[i] = d * static_cast<float>(static_cast<int8_t>(scales[i / 16 * kLanes + lane])) * code;
    } else if (f.subs == 8) {
      const float m = get_f16(block, 1, lane) * static_cast<float>(scales[kLanes + lane]);
      out[i] = d * static_cast<float>(scales[lane]) * code - m;
    } else {
      out[i] = d * code;
      if (f.header_bytes == 128) out[i] += get_f16(block, 1, lane);
    }
  }
}

// Zeroed memory out of a large buffer that the segments made by this thread share, so that matrices of less
// than a huge page lie in huge pages too: one row streams them up to 1.4 times as fast. A slab lives as long
// as any segment in it; what is left over at its end is never touched.
std::pair<std::shared_ptr<Buffer>, std::byte*> take_from_slab(int64_t bytes) {
  constexpr int64_t kSlabBytes = 64 << 20;
  thread_local std::weak_ptr<Buffer> current;
  thread_local int64_t used = 0;
  std::shared_ptr<Buffer> slab = current.lock();
  if (!slab || used + bytes > slab->bytes()) {
    slab = std::make_shared<Buffer>(std::max(bytes, kSlabBytes));
    current = slab, used = 0;
  }
  std::byte* memory = slab->data() + used;
  used += Arena::padded(bytes);
  return {slab, memory};
}

}  // namespace

PackedMatrix::PackedMatrix(int64_t k, int64_t k_offset, int64_t k_stored) : k_(k), k_offset_(k_offset), k_stored_(k_stored) {
  WEFT_CHECK(k >= 0 && k_offset >= 0 && k_offset + k <= k_stored, k, " + ", k_offset, " of ", k_stored, " columns");
}

int64_t PackedMatrix::bytes() const {
  int64_t total = bias_.bytes();
  for (const Segment& s : segments_) total += s.bytes();
  return total;
}

void PackedMatrix::set_bias(std::vector<float> bias) {
  WEFT_CHECK_EQ(static_cast<int64_t>(bias.size()), n_);
  bias_ = Buffer(n_ * static_cast<int64_t>(sizeof(float)));
  std::copy(bias.begin(), bias.end(), reinterpret_cast<float*>(bias_.data()));
}

int PackedMatrix::add_segment(DType dtype, int64_t n_rows) {
  const DTypeInfo& info = dtype_info(dtype);
  WEFT_CHECK(n_rows >= 0 && dtype != DType::i32, n_rows, " rows of ", info.name);
  WEFT_CHECK(k_stored_ % info.block_elements == 0, k_stored_, " columns are not whole blocks of ", info.name);
  Segment s;
  s.dtype = dtype, s.n_begin = n_, s.n_rows = n_rows;
  s.panel_bytes = bytes_of_panel(dtype, k_stored_);
  std::tie(s.slab, s.panels) = take_from_slab(s.bytes());
  segments_.push_back(std::move(s));
  n_ += n_rows;
  return static_cast<int>(segments_.size()) - 1;
}

void PackedMatrix::fill(int segment, int64_t row, int64_t count, const void* rows, int64_t row_bytes) {
  Segment& s = segments_.at(static_cast<size_t>(segment));
  WEFT_CHECK(row >= 0 && row % kPanel == 0 && row + count <= s.n_rows, row, " + ", count, " of ", s.n_rows);
  WEFT_CHECK(count % kPanel == 0 || row + count == s.n_rows, row, " + ", count, " of ", s.n_rows);
  const auto* source = static_cast<const std::byte*>(rows);
  for (int64_t r = 0; r < count; r += kPanel) {
    std::byte* panel = s.panels + (row + r) / kPanel * s.panel_bytes;
    const std::byte* first = source + r * row_bytes;
    const int lanes = static_cast<int>(std::min<int64_t>(kPanel, count - r));
    if (!is_quantised(s.dtype)) {
      pack_plain(s.dtype, first, row_bytes, lanes, k_stored_, panel);
    } else {
      for (int lane = 0; lane < lanes; ++lane)
        pack_quantised(s.dtype, first + lane * row_bytes, k_stored_ / dtype_info(s.dtype).block_elements, panel, lane);
    }
  }
}

void PackedMatrix::append(DType dtype, int64_t n_rows, const void* rows, int64_t row_bytes) {
  fill(add_segment(dtype, n_rows), 0, n_rows, rows, row_bytes);
}

void PackedMatrix::unpack_row(int64_t n, float* out) const {
  WEFT_CHECK(n >= 0 && n < n_, n, " of ", n_);
  const auto s = std::find_if(segments_.begin(), segments_.end(),
                              [n](const Segment& x) { return n >= x.n_begin && n < x.n_begin + x.n_rows; });
  const int64_t row = n - s->n_begin;
  const int lane = static_cast<int>(row % kPanel);
  const std::byte* panel = s->panels + row / kPanel * s->panel_bytes;
  if (!is_quantised(s->dtype)) {
    for (int64_t k = 0; k < k_; ++k) out[k] = plain_value(s->dtype, panel, k_offset_ + k, lane);
    return;
  }
  const PackedFormat f = packed_format(s->dtype);
  for (int64_t group = k_offset_ / 32; group * 32 < k_offset_ + k_; ++group) {
    float values[32];
    unpack_sub_block(s->dtype, panel + group / f.subs * f.block_bytes(), static_cast<int>(group % f.subs), lane, values);
    const int64_t first = group * 32 - k_offset_;
    for (int64_t i = std::max<int64_t>(0, -first); i < 32 && first + i < k_; ++i) out[first + i] = values[i];
  }
}

}  // namespace weft
