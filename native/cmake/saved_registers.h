#pragma once

// Whether the system saves the registers that this variant's kernels use; see variants.cmake. A processor tells what it
// can do whatever the system does with it: one that does not save the wide registers of its programs forbids them, and
// the first such instruction ends the process. ggml asks the processor alone.

#ifdef _MSC_VER
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif

static inline bool llama_native_saves_registers() {
    unsigned needed = 0;
#ifdef GGML_AVX
    needed |= 0x6;
#endif
#if defined(GGML_AVX512) && !defined(__APPLE__)  // macOS begins to save them when they are first used
    needed |= 0xe0;
#endif
#ifdef GGML_AMX_TILE
    needed |= 0x60000;
#endif
    if (needed == 0) return true;
#ifdef _MSC_VER
    int info[4];
    __cpuid(info, 1);
    return (info[2] & (1 << 27)) && (unsigned(_xgetbv(0)) & needed) == needed;
#else
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27))) return false;
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & needed) == needed;
#endif
}
