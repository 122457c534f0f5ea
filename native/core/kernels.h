#pragma once

#include <string>

namespace llama_native {

// Loads ggml's backends from the libraries beside the addon, where it is built with some (cmake/variants.cmake): of
// those for CPUs the best that runs here, and a GPU's. Throws Error where there is none for this CPU, or a GPU's cannot
// be loaded. Not thread safe.
void load_kernels();

// The kind of CPU that the loaded library was compiled for, such as "haswell"; empty where kernels are part of the
// addon.
std::string kernel_variant();

} // namespace llama_native
