#pragma once

#include "llama.h"

#include <vector>

namespace llama_native {

// By logit, equal ones by token id. Pure.
bool is_likelier(const llama_token_data & a, const llama_token_data & b);

// The `k` largest of `size` logits, in descending order (equal ones by token id), as candidates for a sampler chain.
// What is not a number is left out. Pure.
void top_k(const float * logits, int32_t size, int32_t k, std::vector<llama_token_data> & out);

} // namespace llama_native
