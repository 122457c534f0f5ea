#pragma once

#include <cstdint>

namespace llama_native {

// FNV-1a, 64 bits: to tell things apart that nobody forges.
constexpr uint64_t fnv1a_start = 1469598103934665603ull;
constexpr uint64_t fnv1a(uint64_t hash, uint64_t value) { return (hash ^ value) * 1099511628211ull; }

} // namespace llama_native
