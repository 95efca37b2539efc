#pragma once
// The instruction sets CPU kernels are compiled for, in one place: AVX3 (AVX-512 F, BW, DQ, VL), AVX2 (with FMA and F16C)
// and the compiler's baseline; Highway picks at run time. A kernel file that uses them begins with
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "kernels/<op>/<op>_cpu.cpp"   // this file, compiled once for each instruction set
//   #include "kernels/core/simd_targets.h"
//   #include "kernels/core/simd.h"
// and keeps its code in an anonymous namespace inside weft::HWY_NAMESPACE, which all kernel files share.
// Better targets have smaller values; later versions of Highway have more of them than AVX3_DL.
#define HWY_DISABLED_TARGETS ((HWY_AVX3 - 1) | HWY_SSSE3 | HWY_SSE4)
#include "hwy/foreach_target.h"
