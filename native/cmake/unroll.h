#pragma once

// Before a loop whose counter is known to the compiler: unrolled, what the loop indexes can stay in registers.
#if defined(__GNUC__)
#define LLAMA_NATIVE_UNROLL _Pragma("GCC unroll 16")
#else
#define LLAMA_NATIVE_UNROLL
#endif
