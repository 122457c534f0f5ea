// Included into ggml-cuda.cu: GPUs that the addon has no kernels for are left out of the list, with a warning.
//
// ggml lists every GPU that the driver knows. One of an architecture that was not compiled for - the GPU was exchanged, or the
// build comes from another machine - or for which the driver cannot compile the intermediate code fails at its first kernel,
// with an error that the process cannot go on from. All kernels are compiled for the same architectures, so that one which does
// nothing tells of all. ggml's own numbers of GPUs, which are the driver's, stay as they are.

#pragma once

#include "common.cuh"

#include <string>
#include <vector>

#ifdef GGML_USE_HIP
#define cudaDeviceReset hipDeviceReset
#define cudaFuncAttributes hipFuncAttributes
#define cudaFuncGetAttributes hipFuncGetAttributes
#endif

namespace llama_native {

// By the driver's numbers, also those that are left out. Written while the backend is registered, which is tried anew where a
// driver failed.
static std::vector<ggml_backend_dev_t> all_devices;

static void remember(int number, ggml_backend_dev_t device) {
    all_devices.resize(number);
    all_devices.push_back(device);
}

static ggml_backend_dev_t device_of(ggml_backend_reg_t, int number) { return all_devices.at(number); }

static __global__ void nothing() {}

static std::string architecture_of(const cudaDeviceProp & properties) {
#ifdef GGML_USE_HIP
    return properties.gcnArchName;
#else
    return "compute capability " + std::to_string(properties.major) + "." + std::to_string(properties.minor);
#endif
}

// Starts the GPU, as does the look for its free memory that follows.
static bool has_kernels(int device) {
    cudaFuncAttributes attributes;
    CUDA_CHECK(cudaSetDevice(device));
    const cudaError_t result = cudaFuncGetAttributes(&attributes, reinterpret_cast<const void *>(&nothing));
    if (result == cudaSuccess) return true;
    (void) cudaGetLastError();  // or the next check of ggml's would find it
    if (result == cudaErrorMemoryAllocation) return true;  // which is told when its memory is asked for
    cudaDeviceProp properties;
    CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
    GGML_LOG_WARN("%s: there are no kernels for %s (%s): %s\n", __func__, properties.name, architecture_of(properties).c_str(),
        cudaGetErrorString(result));
    (void) cudaDeviceReset();  // what was started takes some hundred megabytes
    (void) cudaGetLastError();
    return false;
}

} // namespace llama_native
