#pragma once

// Where large tensors are allocated; see patches.cmake.

#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

enum {
    llama_native_huge_page_bytes = 2 << 20,
    llama_native_least_huge_bytes = 4 * llama_native_huge_page_bytes,  // less is not worth the room lost at the ends
};

// Windows has another function for it, and ggml calls that.
#ifndef _WIN32
static inline int llama_native_allocate(void ** memory, size_t alignment, size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (size >= llama_native_least_huge_bytes) {
        const int result = posix_memalign(memory, llama_native_huge_page_bytes, size);
        // Only advice: where it is refused, small pages do as well.
        if (result == 0) madvise(*memory, size, MADV_HUGEPAGE);
        return result;
    }
#endif
    return posix_memalign(memory, alignment, size);
}
#endif
