// Included into ggml-cuda.cu: GPUs that the addon has no kernels for are left out, with a warning.
//
// ggml lists every GPU that the driver knows. One of an architecture that was not compiled for - the GPU was exchanged, or the
// build comes from another machine - fails at its first kernel, with an error that the process cannot go on from. All kernels
// are compiled for the same architectures, so that one which does nothing tells of all. To ask, the GPU must be started,
// which it is in any case where its free memory is looked up.

#pragma once

#include "common.cuh"

#include <string>
#include <vector>

#ifdef GGML_USE_HIP
#define cudaErrorInvalidDeviceFunction hipErrorInvalidDeviceFunction
#define cudaErrorNoKernelImageForDevice hipErrorNoBinaryForGpu
#define cudaFuncAttributes hipFuncAttributes
#define cudaFuncGetAttributes hipFuncGetAttributes
#endif

namespace llama_native {

static __global__ void nothing() {}

static bool has_kernels(int device) {
    cudaFuncAttributes attributes;
    cudaError_t        result = cudaSetDevice(device);
    if (result == cudaSuccess) result = cudaFuncGetAttributes(&attributes, reinterpret_cast<const void *>(&nothing));
    if (result != cudaSuccess) (void) cudaGetLastError();  // or the next check of ggml's would find it
    // Whatever else may be wrong ggml finds itself.
    return result != cudaErrorInvalidDeviceFunction && result != cudaErrorNoKernelImageForDevice;
}

static std::string architecture_of(const cudaDeviceProp & properties) {
#ifdef GGML_USE_HIP
    return properties.gcnArchName;
#else
    return "compute capability " + std::to_string(properties.major) + "." + std::to_string(properties.minor);
#endif
}

// The driver's numbers of the GPUs that can be used.
static std::vector<int> usable_devices(int count) {
    std::vector<int> usable;
    for (int device = 0; device < count; device++) {
        if (has_kernels(device)) {
            usable.push_back(device);
            continue;
        }
        cudaDeviceProp properties;
        CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
        GGML_LOG_WARN("%s: there are no kernels for %s (%s)\n", __func__, properties.name, architecture_of(properties).c_str());
    }
    return usable;
}

} // namespace llama_native
