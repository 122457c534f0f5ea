#pragma once

// The configuration of AMX tiles is in memory when the processor loads it. GCC before 12.4 and 13.3 (its bug 114098) believes
// that the instruction reads 8 of its 64 bytes, and leaves the others as they were on the stack: the first batch then ends the
// process.

#if defined(__GNUC__) && defined(__AMX_TILE__)
#include <immintrin.h>

static inline void llama_native_keep_in_memory(const void * data) { __asm__ volatile("" : : "r"(data) : "memory"); }

#define _tile_loadconfig(config) (llama_native_keep_in_memory(config), _tile_loadconfig(config))
#endif
