#include "core/device_plan.h"

#include "core/error.h"

#include <algorithm>
#include <cmath>
#include <regex>

namespace llama_native {

namespace {

[[noreturn]] void refuse(const std::string & option, const std::string & expected, const std::string & received) {
    throw Error("INVALID_OPTION", "Expected " + expected + " for " + option + " but received " + received);
}

bool holds_layers(ggml_backend_dev_t device) {
    const auto type = ggml_backend_dev_type(device);
    return type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU;
}

ggml_backend_dev_t find_device(const std::string & name, const char * option) {
    ggml_backend_dev_t device = ggml_backend_dev_by_name(name.c_str());
    if (!device) refuse(option, "the name of a device", "\"" + name + "\"");
    return device;
}

// The place of a device among those of its backend, which splits by rows count by.
size_t index_in_backend(ggml_backend_dev_t device) {
    ggml_backend_reg_t backend = ggml_backend_dev_backend_reg(device);
    size_t             index = 0;
    while (index < ggml_backend_reg_dev_count(backend) && ggml_backend_reg_dev_get(backend, index) != device) index++;
    return index;
}

} // namespace

bool splits_rows(ggml_backend_dev_t device) {
    ggml_backend_reg_t backend = ggml_backend_dev_backend_reg(device);
    return backend && ggml_backend_reg_get_proc_address(backend, "ggml_backend_split_buffer_type") != nullptr;
}

NativeDevices::NativeDevices(const DevicePlan & plan) : automatic(plan.automatic), split_mode(plan.split_mode) {
    choose(plan);
    split(plan);
    override_tensors(plan.tensor_overrides);
}

void NativeDevices::choose(const DevicePlan & plan) {
    for (const auto & name : plan.names) {
        ggml_backend_dev_t device = find_device(name, "devices");
        if (!holds_layers(device)) refuse("devices", "GPUs", "\"" + name + "\"");
        if (has(device)) refuse("devices", "each device once", "\"" + name + "\" twice");
        devices.push_back(device);
    }
    if (devices.size() > llama_max_devices()) {
        refuse("devices", "at most " + std::to_string(llama_max_devices()) + " devices", std::to_string(devices.size()));
    }
    devices.push_back(nullptr);
}

void NativeDevices::split(const DevicePlan & plan) {
    const size_t count = devices.size() - 1;
    if (split_mode == LLAMA_SPLIT_MODE_ROW) {
        // llama.cpp takes one list of proportions for both the chosen devices and all of the backend.
        for (size_t i = 0; i < count; i++) {
            if (!splits_rows(devices[i])) refuse("splitMode", "\"layer\" for " + std::string(ggml_backend_dev_name(devices[i])), "\"row\"");
            if (index_in_backend(devices[i]) != i) refuse("devices", "a backend's first devices in their order together with the splitMode \"row\"", "others");
        }
    }
    if (plan.tensor_split.empty()) return;
    if (automatic || plan.tensor_split.size() != count) {
        refuse("tensorSplit", "one number for each of " + std::to_string(count) + " devices", std::to_string(plan.tensor_split.size()));
    }
    float sum = 0;
    for (const float part : plan.tensor_split) {
        if (!std::isfinite(part) || part < 0) refuse("tensorSplit", "finite numbers of at least 0", std::to_string(part));
        sum += part;
    }
    if (!std::isfinite(sum) || sum <= 0) refuse("tensorSplit", "numbers with a sum above 0", std::to_string(sum));
    proportions.assign(llama_max_devices(), 0.0f);
    std::copy(plan.tensor_split.begin(), plan.tensor_split.end(), proportions.begin());
}

void NativeDevices::override_tensors(const std::vector<TensorOverride> & given) {
    for (const auto & item : given) {
        try {
            std::regex checked(item.pattern);
        } catch (const std::regex_error & error) {
            refuse("tensorOverrides", "regular expressions", "\"" + item.pattern + "\" (" + error.what() + ")");
        }
        ggml_backend_dev_t device = find_device(item.device, "tensorOverrides");
        const bool         in_ram = ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU;
        // A context computes on its model's devices alone.
        if (!in_ram && !has(device)) refuse("tensorOverrides", "\"CPU\" or one of the model's devices", "\"" + item.device + "\"");
        patterns.push_back(item.pattern);
        overrides.push_back({ patterns.back().c_str(), in_ram ? ggml_backend_cpu_buffer_type() : ggml_backend_dev_buffer_type(device) });
    }
    if (overrides.size() >= llama_max_tensor_buft_overrides()) {
        refuse("tensorOverrides", "fewer than " + std::to_string(llama_max_tensor_buft_overrides()) + " patterns", std::to_string(overrides.size()));
    }
    overrides.push_back({ nullptr, nullptr });
}

bool NativeDevices::has(ggml_backend_dev_t device) const { return std::find(devices.begin(), devices.end(), device) != devices.end(); }

void NativeDevices::apply(llama_model_params & params) {
    if (!automatic) params.devices = devices.data();
    params.split_mode = split_mode;
    if (!proportions.empty()) params.tensor_split = proportions.data();
    if (overrides.size() > 1) params.tensor_buft_overrides = overrides.data();
}

} // namespace llama_native
