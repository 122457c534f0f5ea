#pragma once

#include <cstdint>

namespace llama_native {

// Bytes this process may still allocate without the system having to kill something: free and reclaimable memory, within
// the container's limit. 0 where it cannot be told.
uint64_t available_memory_bytes();

} // namespace llama_native
