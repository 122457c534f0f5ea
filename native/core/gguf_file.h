#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace llama_native {

struct GgufArray;
// 64-bit integers keep their sign; arrays keep every element.
using GgufValue = std::variant<bool, int64_t, uint64_t, double, std::string, GgufArray>;

struct GgufArray {
    std::string            type;
    std::vector<GgufValue> values;
};

struct GgufTensor {
    std::string          name;
    std::string          type;
    std::vector<int64_t> shape;  // ggml order: fastest dimension first
    uint64_t             size_bytes;
    uint64_t             offset_bytes;  // from the start of the file
};

struct GgufFile {
    uint32_t                                       version;
    uint64_t                                       alignment;
    uint64_t                                       size_bytes;
    std::vector<std::pair<std::string, GgufValue>> metadata;
    std::vector<GgufTensor>                        tensors;
};

// Reads header, metadata and tensor list. Throws MODEL_NOT_FOUND where there is no readable file, and MODEL_FORMAT,
// with the reason, where it is not GGUF, truncated or corrupt. Reads no tensor data.
GgufFile inspect_gguf(const std::string & path);

// The files of a model: the file itself, or all parts of a split one, given its first. Each is checked as above; what
// is wrong is thrown before llama.cpp sees the files.
std::vector<std::string> check_model_files(const std::string & path);

} // namespace llama_native
