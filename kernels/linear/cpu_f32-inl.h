// Included by cpu_kernels.cpp, once per instruction set: f32 arithmetic. Quantised weights are expanded to a tile of 32 columns
// that stays in L1 and serves all rows.

template <class T>
struct OneStep {
  using W = T;
  using X = float;
  static constexpr int kX = 1;
  static F32x16 load(const W* w) { return HWY_NAMESPACE::load(w); }
  static F32x16 add(F32x16 acc, F32x16 w, const X* x) { return fma(set(*x), w, acc); }
};

template <class T>
void fma_plain(const std::byte* panel, int64_t k_begin, int64_t k_end, const float* x, int64_t x_row, int64_t rows,
               float* sums) {
  sum_chunks<OneStep<T>>(reinterpret_cast<const T*>(panel) + k_begin * kPanel, x, x_row, k_end - k_begin, rows, true, sums);
}

// tile[k][lane] = weights of a sub-block, exactly as quant::dequantize gives them.
template <DType T>
inline void dequantise(const std::byte* panel, int64_t index, float* __restrict tile) {
  const SubBlock<T> b(panel, index);
  alignas(64) uint32_t words[8][kPanel];
  expand_codes(b, 0, reinterpret_cast<uint8_t*>(words));
  alignas(64) float d[2][kPanel], m[kPanel];
  read_scales(b, d[0], m);
  if constexpr (T == DType::q6_K) {
    for (int i = 0; i < kPanel; i += kLanes) {
      const F32x16 shared = load(d[0] + i);
      for (int h = 0; h < 2; ++h) store(shared * to_float(widen<int8_t>(b.scales + h * kPanel + i)), d[h] + i);
    }
  }
  for (int j = 0; j < 8; ++j) {
    const float* scale = T == DType::q6_K ? d[j / 4] : d[0];
    for (int i = 0; i < 4; ++i) {
      float* out = tile + (4 * j + i) * kPanel;
      for (int lane = 0; lane < kPanel; ++lane) {
        const int code = static_cast<int>((words[j][lane] >> (8 * i)) & 255) - kZeroPoint<T>;
        out[lane] = scale[lane] * static_cast<float>(code);
        if constexpr (kHasMin<T>) out[lane] += m[lane];
      }
    }
  }
}

template <DType T>
void fma_quantised(const std::byte* panel, int64_t k_begin, int64_t k_end, const float* x, int64_t x_row, int64_t rows,
                   float* sums) {
  alignas(64) float tile[kFmaChunk * kPanel];
  for (int64_t k = k_begin / 32 * 32; k < k_end; k += kFmaChunk) {
    const int64_t begin = std::max(k, k_begin), end = std::min(k + kFmaChunk, k_end);
    for (int64_t sub = k; sub < end; sub += 32) dequantise<T>(panel, sub / 32, tile + (sub - k) * kPanel);
    sum_rows<OneStep<float>>(tile + (begin - k) * kPanel, x + (begin - k_begin), x_row, end - begin, rows, begin == k_begin,
                             sums);
  }
}

void fma_kernel(DType dtype, const std::byte* panel, int64_t k_begin, int64_t k_end, const float* x, int64_t x_row,
                int64_t rows, float* sums) {
  const auto run = [&](auto f) { f(panel, k_begin, k_end, x, x_row, rows, sums); };
  switch (dtype) {
    case DType::f32: return run(fma_plain<float>);
    case DType::f16: return run(fma_plain<f16>);
    case DType::bf16: return run(sum_columns<float>);
    case DType::q8_0: return run(fma_quantised<DType::q8_0>);
    case DType::q4_0: return run(fma_quantised<DType::q4_0>);
    case DType::q4_1: return run(fma_quantised<DType::q4_1>);
    case DType::q5_0: return run(fma_quantised<DType::q5_0>);
    case DType::q5_1: return run(fma_quantised<DType::q5_1>);
    case DType::q4_K: return run(fma_quantised<DType::q4_K>);
    case DType::q5_K: return run(fma_quantised<DType::q5_K>);
    case DType::q6_K: return run(fma_quantised<DType::q6_K>);
    case DType::i32: return;
  }
}

void add_kernel(float* to, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) store(load(to + i) + load(from + i), to + i);
}
