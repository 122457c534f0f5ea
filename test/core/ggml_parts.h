#pragma once

// What the parts of ggml that these tests compile (scripts/test-core.mjs) need of the rest of it. For one file of a program.

#include "ggml.h"

#include <cstdlib>

float ggml_table_f32_f16[1 << 16];
static const bool table_is_full = [] {  // of single-precision values of half-precision numbers
    for (int i = 0; i < 1 << 16; i++) ggml_table_f32_f16[i] = ggml_fp16_to_fp32((ggml_fp16_t) i);
    return true;
}();

// And what ggml.c does with graphs, which are not used here.
extern "C" {
void ggml_backend_tensor_memset(ggml_tensor *, uint8_t, size_t, size_t) { abort(); }
void ggml_backend_tensor_set(ggml_tensor *, const void *, size_t, size_t) { abort(); }
enum ggml_backend_buffer_usage ggml_backend_buffer_get_usage(struct ggml_backend_buffer *) { abort(); }
}
