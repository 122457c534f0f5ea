// Stands for COUNT of AMD's GPUs, of which the first has an architecture that was not compiled for: preloaded before ROCm's
// runtime, it answers KERNELS when a kernel is looked for on it.

#define __HIP_PLATFORM_AMD__
#include <hip/hip_runtime_api.h>
#include <stdio.h>
#include <string.h>

static int current = 0;

hipError_t hipGetDeviceCount(int * count) {
    *count = COUNT;
    return hipSuccess;
}

hipError_t hipGetDevicePropertiesR0600(hipDeviceProp_tR0600 * properties, int device) {
    memset(properties, 0, sizeof *properties);
    snprintf(properties->name, sizeof properties->name, "Stand-in %d", device);
    strcpy(properties->gcnArchName, device == 0 ? "gfx803" : "gfx1030");
    properties->totalGlobalMem = 1 << 30;
    properties->warpSize = 32;
    return hipSuccess;
}

hipError_t hipDeviceGetAttribute(int * value, hipDeviceAttribute_t attribute, int device) {
    (void) attribute, (void) device;
    *value = 0;
    return hipSuccess;
}

hipError_t hipDeviceGetPCIBusId(char * id, int length, int device) {
    snprintf(id, length, "0000:0%d:00.0", device);
    return hipSuccess;
}

hipError_t hipGetDevice(int * device) {
    *device = current;
    return hipSuccess;
}

hipError_t hipSetDevice(int device) {
    current = device;
    return hipSuccess;
}

hipError_t hipDeviceReset(void) { return hipSuccess; }

hipError_t hipMemGetInfo(size_t * free, size_t * total) {
    *free = *total = (size_t) 1 << 30;
    return hipSuccess;
}

hipError_t hipFuncGetAttributes(struct hipFuncAttributes * attributes, const void * function) {
    (void) function;
    memset(attributes, 0, sizeof *attributes);
    return current == 0 ? KERNELS : hipSuccess;
}
