#pragma once
// WEFT_BEGIN_TARGET("avx2,fma") … WEFT_END_TARGET: functions between the two may use these instructions,
// whatever the compiler's own options are. Headers are included outside, so that no inline function of theirs
// is affected.
#define WEFT_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define WEFT_BEGIN_TARGET(isa) WEFT_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define WEFT_END_TARGET _Pragma("clang attribute pop")
#else
#define WEFT_BEGIN_TARGET(isa) _Pragma("GCC push_options") WEFT_PRAGMA(GCC target(isa))
#define WEFT_END_TARGET _Pragma("GCC pop_options")
#endif
