#include "kernels/linear/cpu_kernels.h"

#include <algorithm>
#include <atomic>

#include "kernels/core/check.h"

namespace weft::cpu {

extern const Kernels kGenericKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels, kAvx512Kernels, kAvx512VnniKernels;
const Kernels* avx512_bf16_kernels();  // null where the instruction sums in another order
#endif

namespace {

// Best first.
std::vector<const Kernels*> supported() {
  std::vector<const Kernels*> sets;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool vnni = v4 && __builtin_cpu_supports("avx512vnni");
  if (vnni && __builtin_cpu_supports("avx512bf16"))
    if (const Kernels* bf16 = avx512_bf16_kernels()) sets.push_back(bf16);
  if (vnni) sets.push_back(&kAvx512VnniKernels);
  if (v4) sets.push_back(&kAvx512Kernels);
  if (v3) sets.push_back(&kAvx2Kernels);
#endif
  sets.push_back(&kGenericKernels);
  return sets;
}

std::atomic<const Kernels*>& chosen() {
  static std::atomic<const Kernels*> set{supported().front()};
  return set;
}

}  // namespace

const Kernels& kernels() { return *chosen().load(std::memory_order_relaxed); }

std::vector<Isa> supported_isas() {
  std::vector<Isa> isas;
  for (const Kernels* set : supported()) isas.push_back(set->isa);
  return isas;
}

void use_isa(Isa isa) {
  const auto sets = supported();
  const auto set = std::find_if(sets.begin(), sets.end(), [isa](const Kernels* s) { return s->isa == isa; });
  WEFT_CHECK(set != sets.end(), "this CPU lacks instruction set ", static_cast<int>(isa));
  chosen().store(*set);
}

}  // namespace weft::cpu
