#pragma once

#include "core/model.h"
#include "ggml-backend.h"
#include "llama.h"

#include <list>
#include <vector>

namespace llama_native {

// Whether the device's backend can divide matrices among its devices.
bool splits_rows(ggml_backend_dev_t device);

// A `DevicePlan` as llama.cpp takes it: checked, with the memory that `llama_model_params` points into, so that it must
// outlive the load. Throws INVALID_OPTION for what llama.cpp would refuse without a reason, or not refuse and crash on.
class NativeDevices {
public:
    explicit NativeDevices(const DevicePlan & plan);
    NativeDevices(const NativeDevices &) = delete;
    NativeDevices & operator=(const NativeDevices &) = delete;

    void apply(llama_model_params & params);

private:
    void choose(const DevicePlan & plan);
    void split(const DevicePlan & plan);
    void override_tensors(const std::vector<TensorOverride> & overrides);
    bool has(ggml_backend_dev_t device) const;

    bool                                           automatic;
    enum llama_split_mode                          split_mode;
    std::vector<ggml_backend_dev_t>                devices;  // ends with a null
    std::vector<float>                             proportions;
    std::list<std::string>                         patterns;
    std::vector<llama_model_tensor_buft_override>  overrides;  // ends with a null pattern
};

} // namespace llama_native
