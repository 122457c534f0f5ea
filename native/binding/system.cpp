#include "binding/convert.h"
#include "binding/exports.h"
#include "build-info.h"
#include "core/decoder.h"
#include "core/device_plan.h"
#include "core/kernels.h"
#include "core/runtime.h"
#include "ggml-backend.h"
#include "llama.h"

#include <algorithm>
#include <mutex>
#include <sstream>

namespace llama_native {

namespace {

const char * device_type(enum ggml_backend_dev_type type) {
    switch (type) {
        case GGML_BACKEND_DEVICE_TYPE_CPU: return "cpu";
        case GGML_BACKEND_DEVICE_TYPE_GPU: return "gpu";
        case GGML_BACKEND_DEVICE_TYPE_IGPU: return "integrated-gpu";
        default: return "accelerator";
    }
}

Napi::Value devices(Napi::Env env) {
    Napi::Array list = Napi::Array::New(env);
    for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
        ggml_backend_dev_t device = ggml_backend_dev_get(i);
        size_t             free = 0, total = 0;
        ask_backends([&] { ggml_backend_dev_memory(device, &free, &total); });
        Napi::Object item = Napi::Object::New(env);
        item.Set("name", ggml_backend_dev_name(device));
        item.Set("description", ggml_backend_dev_description(device));
        item.Set("type", device_type(ggml_backend_dev_type(device)));
        item.Set("backend", ggml_backend_reg_name(ggml_backend_dev_backend_reg(device)));
        item.Set("freeBytes", double(free));
        item.Set("totalBytes", double(total));
        item.Set("splitsRows", splits_rows(device));
        list.Set(uint32_t(i), item);
    }
    return list;
}

// llama.cpp makes its text in one string of the process, while every load of a model asks for it: two worker threads at once
// would free that string's memory twice.
std::string print_system_info() {
    static std::mutex           mutex;
    std::lock_guard<std::mutex> lock(mutex);
    return llama_print_system_info();
}

// llama.cpp prints "CPU : SSE3 = 1 | AVX = 1 | ... | "; the names that are 1. Lengths of vectors are among them, as SVE_CNT = 16.
std::vector<std::string> cpu_features() {
    std::vector<std::string> features;
    std::istringstream       text(print_system_info());
    for (std::string part; std::getline(text, part, '|');) {
        const size_t equals = part.find(" = 1 ");
        if (equals == std::string::npos) continue;
        std::string name = part.substr(0, equals);
        if (const size_t colon = name.rfind(':'); colon != std::string::npos) name = name.substr(colon + 1);
        name.erase(std::remove(name.begin(), name.end(), ' '), name.end());
        features.push_back(name);
    }
    return features;
}

Napi::Value system_info(const Options & options) {
    const Napi::Env env = options.env();
    ensure_backend();
    Napi::Object info = Napi::Object::New(env);
    info.Set("llamaVersion", llama_version());
    info.Set("compiler", llama_compiler());
    info.Set("cpuFeatures", to_js(env, cpu_features()));
    const std::string variant = kernel_variant();
    info.Set("cpuVariant", variant.empty() ? env.Null() : Napi::String::New(env, variant));
    info.Set("devices", devices(env));
    info.Set("backendWarnings", to_js(env, backend_warnings()));
    info.Set("supportsMmap", llama_supports_mmap());
    info.Set("supportsMlock", llama_supports_mlock());
    info.Set("supportsGpuOffload", llama_supports_gpu_offload());
    info.Set("kvTypes", to_js(env, kv_type_names()));
    return info;
}

} // namespace

void export_system(Napi::Env env, Napi::Object exports) {
    exports.Set("systemInfo", Napi::Function::New<guarded<system_info>>(env, "systemInfo"));
}

} // namespace llama_native
