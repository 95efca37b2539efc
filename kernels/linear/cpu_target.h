#pragma once
// WEFT_BEGIN_TARGET("avx512vnni") … WEFT_END_TARGET: functions between the two may use these instructions besides those of
// Highway's target around them. Only -inl.h files are included inside, so that no other header's functions are affected.
#define WEFT_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define WEFT_BEGIN_TARGET(isa) WEFT_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define WEFT_END_TARGET _Pragma("clang attribute pop")
#else
#define WEFT_BEGIN_TARGET(isa) _Pragma("GCC push_options") WEFT_PRAGMA(GCC target(isa))
#define WEFT_END_TARGET _Pragma("GCC pop_options")
#endif
