// Included by cpu_<isa>.cpp (see cpu_kernels-inl.h): bf16 weights, whose panels hold words of two columns (packed_format.h),
// times x of T: float, or words of two bf16 columns like the weights.

template <class T>
struct TwoColumns;
template <>
struct TwoColumns<float> {
  using W = int32_t;
  using X = float;
  static constexpr int kX = 2;
  struct Pair {
    F even, odd;
  };
  static Pair load(const W* w) { return {upper(load_int(w)), lower(load_int(w))}; }
  static F add(F acc, const Pair& w, const X* x) { return fma(set(x[1]), w.odd, fma(set(x[0]), w.even, acc)); }
};
template <>
struct TwoColumns<int32_t> {
  using W = int32_t;
  using X = int32_t;
  static constexpr int kX = 1;
  static I load(const W* w) { return load_int(w); }
  static F add(F acc, I w, const X* x) { return dot_pair(acc, w, set_int(*x)); }
};

// One half of the words, where K begins or ends inside them.
template <bool kOdd, class T>
struct OneColumn {
  using W = int32_t;
  using X = T;
  static constexpr int kX = 1;
  static F half(I words) { return kOdd ? lower(words) : upper(words); }
  static F value(const float* x) { return set(*x); }
  static F value(const int32_t* x) { return half(set_int(*x)); }
  static F load(const W* w) { return half(load_int(w)); }
  static F add(F acc, F w, const X* x) { return fma(value(x), w, acc); }
};

// Stored columns k_begin <= k < k_end; x points to the first one's float or word.
template <class T>
void sum_columns(const std::byte* panel, int64_t k_begin, int64_t k_end, const T* x, int64_t x_row, int64_t rows, float* sums) {
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
