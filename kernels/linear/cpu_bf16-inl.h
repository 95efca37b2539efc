// Included by cpu_kernels.cpp and cpu_avx512_dots.cpp, once per instruction set: bf16 weights, whose panels hold words of two columns (packed_format.h),
// times x of T: float, or words of two bf16 columns like the weights.

template <class T>
struct TwoColumns;
template <>
struct TwoColumns<float> {
  using W = int32_t;
  using X = float;
  static constexpr int kX = 2;
  struct Pair {
    F32x16 even, odd;
  };
  static Pair load(const W* w) { return {upper(load_int(w)), lower(load_int(w))}; }
  static F32x16 add(F32x16 acc, const Pair& w, const X* x) { return fma(set(x[1]), w.odd, fma(set(x[0]), w.even, acc)); }
};
template <>
struct TwoColumns<int32_t> {
  using W = int32_t;
  using X = int32_t;
  static constexpr int kX = 1;
  static I32x16 load(const W* w) { return load_int(w); }
  static F32x16 add(F32x16 acc, I32x16 w, const X* x) { return dot_pair(acc, w, set_int(*x)); }
};

// One half of the words, where K begins or ends inside them.
template <bool kOdd, class T>
struct OneColumn {
  using W = int32_t;
  using X = T;
  static constexpr int kX = 1;
  static F32x16 half(I32x16 words) { return kOdd ? lower(words) : upper(words); }
  static F32x16 value(const float* x) { return set(*x); }
  static F32x16 value(const int32_t* x) { return half(set_int(*x)); }
  static F32x16 load(const W* w) { return half(load_int(w)); }
  static F32x16 add(F32x16 acc, F32x16 w, const X* x) { return fma(value(x), w, acc); }
};

// Stored columns k_begin <= k < k_end; x points to the first one's float or word.
template <class T>
void sum_columns(const std::byte* panel, int64_t k_begin, int64_t k_end, const T* x, int64_t x_row, int64_t rows,
                 float* sums) {
  const auto words = [panel](int64_t k) { return reinterpret_cast<const int32_t*>(panel) + k / 2 * kPanel; };
  bool fresh = true;
  if (k_begin % 2 && k_begin < k_end) {
    sum_rows<OneColumn<true, T>>(words(k_begin), x, x_row, 1, rows, fresh, sums);
    ++k_begin, ++x, fresh = false;
  }
  if (const int64_t pairs = (k_end - k_begin) / 2; pairs > 0) {
    sum_chunks<TwoColumns<T>>(words(k_begin), x, x_row, pairs, rows, fresh, sums);
    k_begin += 2 * pairs, x += pairs * TwoColumns<T>::kX, fresh = false;
  }
  if (k_begin < k_end) sum_rows<OneColumn<false, T>>(words(k_begin), x, x_row, 1, rows, fresh, sums);
}

void dot_bf16_kernel(const std::byte* panel, int64_t k_begin, int64_t k_end, const int32_t* x, int64_t x_row, int64_t rows,
                     float* sums) {
  const FlushSubnormals flush;
  sum_columns(panel, k_begin, k_end, x, x_row, rows, sums);
}
