#include "core/gguf_file.h"

#include "core/error.h"
#include "core/runtime.h"
#include "ggml.h"
#include "gguf.h"
#include "llama.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>

namespace fs = std::filesystem;

namespace llama_native {

namespace {

struct GgufDeleter {
    void operator()(gguf_context * context) const { gguf_free(context); }
};
using GgufPtr = std::unique_ptr<gguf_context, GgufDeleter>;

[[noreturn]] void format_error(const std::string & path, const std::string & reason, const std::string & log = {}) {
    throw Error("MODEL_FORMAT", "\"" + path + "\" " + reason, { { "path", path } }, log);
}

// What a file that is not GGUF most likely is, by its first bytes.
std::string guess_foreign(const std::array<char, 64> & head, size_t length) {
    const std::string text(head.data(), length);
    const auto        starts = [&](const char * prefix) { return text.rfind(prefix, 0) == 0; };
    if (length == 0) return "it is empty";
    if (starts("version https://git-lfs")) return "it is a Git LFS pointer; fetch the real file with `git lfs pull`";
    if (starts("<!DOCTYPE") || starts("<!doctype") || starts("<html")) return "it is an HTML page, perhaps a failed download";
    if (starts("PK\x03\x04")) return "it is a zip archive, perhaps a PyTorch checkpoint; convert it to GGUF first";
    if (length > 9 && text[8] == '{') return "it looks like a safetensors file; convert it to GGUF first";
    if (starts("ggml") || starts("lmgg") || starts("ggjt") || starts("tjgg")) return "it is an old GGML file; convert it to GGUF first";
    if (starts("FUGG")) return "it is a big-endian GGUF file";
    if (std::all_of(text.begin(), text.end(), [](char c) { return c == 0; })) return "it begins with zeros, perhaps an unfinished download";
    return "it does not begin with \"GGUF\"";
}

uint64_t check_is_gguf(const std::string & path) {
    std::error_code ec;
    const auto      status = fs::status(fs::u8path(path), ec);
    if (!fs::exists(status)) {
        throw Error("MODEL_NOT_FOUND", "No file at \"" + path + "\"", { { "path", path } });
    }
    if (fs::is_directory(status)) {
        throw Error("MODEL_NOT_FOUND", "\"" + path + "\" is a directory, not a GGUF file", { { "path", path } });
    }
    if (!fs::is_regular_file(status)) {
        throw Error("MODEL_NOT_FOUND", "\"" + path + "\" is not a regular file", { { "path", path } });
    }
    std::ifstream file(fs::u8path(path), std::ios::binary);
    if (!file) {
        throw Error("MODEL_NOT_FOUND", "\"" + path + "\" cannot be read: " + std::strerror(errno), { { "path", path } });
    }
    std::array<char, 64> head{};
    file.read(head.data(), head.size());
    const auto length = static_cast<size_t>(file.gcount());
    if (length < 4 || std::memcmp(head.data(), "GGUF", 4) != 0) {
        format_error(path, "is not a GGUF file: " + guess_foreign(head, length));
    }
    return fs::file_size(fs::u8path(path));
}

GgufPtr open_gguf(const std::string & path) {
    Guard              guard;
    const gguf_init_params params = { /* no_alloc */ true, /* ctx */ nullptr };
    GgufPtr            context;
    std::string        reason;
    try {
        context.reset(gguf_init_from_file(path.c_str(), params));
    } catch (const std::exception & error) {
        reason = error.what();
    }
    if (!context) {
        std::string log = guard.log();
        if (reason.empty() && !log.empty()) {
            reason = log.substr(0, log.find('\n'));
        }
        format_error(path, "is a corrupt or truncated GGUF file" + (reason.empty() ? "" : ": " + reason), log);
    }
    return context;
}

void check_data_is_complete(const std::string & path, const gguf_context * context, uint64_t file_bytes) {
    const uint64_t data = gguf_get_data_offset(context);
    for (int64_t i = 0, n = gguf_get_n_tensors(context); i < n; i++) {
        const uint64_t end = data + gguf_get_tensor_offset(context, i) + gguf_get_tensor_size(context, i);
        if (end > file_bytes) {
            throw Error("MODEL_FORMAT",
                "\"" + path + "\" is truncated: expected at least " + std::to_string(end) + " bytes (tensor \"" +
                    gguf_get_tensor_name(context, i) + "\"), but the file has " + std::to_string(file_bytes),
                { { "path", path }, { "expectedBytes", double(end) }, { "actualBytes", double(file_bytes) } });
        }
    }
}

bool ends_with(const std::string & text, const std::string & end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// What llama.cpp's loader lets pass but its kernels assert, on threads where a failed assertion ends the process.
void check_what_kernels_assert(const std::string & path, const gguf_context * context) {
    for (int64_t i = 0, n = gguf_get_n_kv(context); i < n; i++) {
        const std::string key = gguf_get_key(context, i);
        if (!ends_with(key, "norm_epsilon") && !ends_with(key, "norm_rms_epsilon")) continue;
        if (gguf_get_kv_type(context, i) != GGUF_TYPE_FLOAT32) continue;  // the loader refuses it
        const float epsilon = gguf_get_val_f32(context, i);
        if (!(epsilon >= 0) || !std::isfinite(epsilon)) {
            format_error(path, "is a corrupt GGUF file: expected a number of 0 or more for " + key + " but it has " + std::to_string(epsilon));
        }
    }
    for (int64_t i = 0, n = gguf_get_n_tensors(context); i < n; i++) {
        const std::string name = gguf_get_tensor_name(context, i);
        if (!ends_with(name, "norm.weight") && !ends_with(name, "norm.bias") && !ends_with(name, ".bias")) continue;
        const ggml_type type = gguf_get_tensor_type(context, i);
        if (type != GGML_TYPE_F32 && type != GGML_TYPE_F16 && type != GGML_TYPE_BF16) {
            format_error(path, "is a corrupt GGUF file: expected floating-point numbers for tensor \"" + name + "\" but it has the type " +
                ggml_type_name(type));
        }
    }
}

template <typename T> GgufValue numeric(const void * data, size_t index) {
    const T value = static_cast<const T *>(data)[index];
    if constexpr (std::is_floating_point_v<T>) return double(value);
    else if constexpr (std::is_signed_v<T>) return int64_t(value);
    else return uint64_t(value);
}

GgufValue scalar(gguf_type type, const void * data, size_t index) {
    switch (type) {
        case GGUF_TYPE_UINT8: return numeric<uint8_t>(data, index);
        case GGUF_TYPE_INT8: return numeric<int8_t>(data, index);
        case GGUF_TYPE_UINT16: return numeric<uint16_t>(data, index);
        case GGUF_TYPE_INT16: return numeric<int16_t>(data, index);
        case GGUF_TYPE_UINT32: return numeric<uint32_t>(data, index);
        case GGUF_TYPE_INT32: return numeric<int32_t>(data, index);
        case GGUF_TYPE_UINT64: return numeric<uint64_t>(data, index);
        case GGUF_TYPE_INT64: return numeric<int64_t>(data, index);
        case GGUF_TYPE_FLOAT32: return numeric<float>(data, index);
        case GGUF_TYPE_FLOAT64: return numeric<double>(data, index);
        case GGUF_TYPE_BOOL: return static_cast<const int8_t *>(data)[index] != 0;
        default: throw std::runtime_error(std::string("unexpected metadata type ") + gguf_type_name(type));
    }
}

GgufValue read_value(const gguf_context * context, int64_t key) {
    const gguf_type type = gguf_get_kv_type(context, key);
    if (type == GGUF_TYPE_STRING) return std::string(gguf_get_val_str(context, key));
    if (type != GGUF_TYPE_ARRAY) return scalar(type, gguf_get_val_data(context, key), 0);

    const gguf_type element = gguf_get_arr_type(context, key);
    const size_t    count = gguf_get_arr_n(context, key);
    GgufArray       array{ gguf_type_name(element), {} };
    array.values.reserve(count);
    for (size_t i = 0; i < count; i++) {
        if (element == GGUF_TYPE_STRING) array.values.emplace_back(std::string(gguf_get_arr_str(context, key, i)));
        else array.values.push_back(scalar(element, gguf_get_arr_data(context, key), i));
    }
    return array;
}

} // namespace

GgufFile inspect_gguf(const std::string & path) {
    const uint64_t file_bytes = check_is_gguf(path);
    const GgufPtr  context = open_gguf(path);
    Guard          guard;

    GgufFile file{ gguf_get_version(context.get()), gguf_get_alignment(context.get()), file_bytes, {}, {} };
    for (int64_t i = 0, n = gguf_get_n_kv(context.get()); i < n; i++) {
        file.metadata.emplace_back(gguf_get_key(context.get(), i), read_value(context.get(), i));
    }
    for (int64_t i = 0, n = gguf_get_n_tensors(context.get()); i < n; i++) {
        const int64_t * ne = gguf_get_tensor_ne(context.get(), i);
        int             dims = GGML_MAX_DIMS;
        while (dims > 1 && ne[dims - 1] == 1) dims--;
        file.tensors.push_back({ gguf_get_tensor_name(context.get(), i),
            ggml_type_name(gguf_get_tensor_type(context.get(), i)), std::vector<int64_t>(ne, ne + dims),
            gguf_get_tensor_size(context.get(), i),
            gguf_get_data_offset(context.get()) + gguf_get_tensor_offset(context.get(), i) });
    }
    return file;
}

std::vector<std::string> check_model_files(const std::string & path) {
    std::vector<std::string> paths;
    std::smatch              match;
    if (std::regex_match(path, match, std::regex("([\\s\\S]*)-(\\d{5})-of-(\\d{5})\\.gguf"))) {
        const int count = std::stoi(match[3]);
        if (std::stoi(match[2]) != 1) {
            throw Error("MODEL_NOT_FOUND", "\"" + path + "\" is a later part of a split model; load its first part, \"" +
                match[1].str() + "-00001-of-" + match[3].str() + ".gguf\"", { { "path", path } });
        }
        for (int part = 0; part < count; part++) {
            std::vector<char> name(path.size() + 32);
            llama_split_path(name.data(), name.size(), match[1].str().c_str(), part, count);
            paths.emplace_back(name.data());
        }
    } else {
        paths.push_back(path);
    }
    for (const auto & part : paths) {
        const uint64_t bytes = check_is_gguf(part);
        const GgufPtr  context = open_gguf(part);
        Guard          guard;
        check_data_is_complete(part, context.get(), bytes);
        check_what_kernels_assert(part, context.get());
    }
    return paths;
}

} // namespace llama_native
