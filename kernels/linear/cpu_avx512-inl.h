// Included by cpu_avx512.cpp and cpu_avx512_vnni.cpp: the operations of cpu_kernels-inl.h that both share.
constexpr int kLanes = 16;
using F = __m512;
using I = __m512i;

inline F load(const float* p) { return _mm512_loadu_ps(p); }
inline F load(const F16* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline void store(float* p, F a) { _mm512_storeu_ps(p, a); }
inline F set(float x) { return _mm512_set1_ps(x); }
inline F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
inline F mul(F a, F b) { return _mm512_mul_ps(a, b); }
inline F add(F a, F b) { return _mm512_add_ps(a, b); }
inline I load_int(const int32_t* p) { return _mm512_loadu_si512(p); }
inline I set_int(int32_t x) { return _mm512_set1_epi32(x); }
inline I mul_int(I a, I b) { return _mm512_mullo_epi32(a, b); }
inline I add_int(I a, I b) { return _mm512_add_epi32(a, b); }
inline F to_float(I a) { return _mm512_cvtepi32_ps(a); }
inline F upper(I words) { return _mm512_castsi512_ps(_mm512_and_si512(words, _mm512_set1_epi32(-65536))); }
inline F lower(I words) { return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16)); }

inline void add_fifth_bits(const uint8_t* bits, uint8_t* codes) {
  for (int t = 0; t < 1024; t += 64) {
    uint64_t mask;
    std::memcpy(&mask, bits + t / 8, sizeof mask);
    const I at = _mm512_loadu_si512(codes + t);
    _mm512_storeu_si512(codes + t, _mm512_mask_add_epi8(at, mask, at, _mm512_set1_epi8(16)));
  }
}

inline void round_f16(const float* x, int64_t n, float* out) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    store(out + i, _mm512_cvtph_ps(_mm512_cvtps_ph(load(x + i), _MM_FROUND_TO_NEAREST_INT)));
  for (; i < n; ++i) out[i] = f16_to_f32(f32_to_f16(x[i]));
}
