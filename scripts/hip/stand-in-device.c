// Stands for an AMD GPU of an architecture that was not compiled for: preloaded before ROCm's runtime, it finds a device, which
// has no kernels.

#define __HIP_PLATFORM_AMD__
#include <hip/hip_runtime_api.h>
#include <string.h>

hipError_t hipGetDeviceCount(int * count) {
    *count = 1;
    return hipSuccess;
}

hipError_t hipGetDevicePropertiesR0600(hipDeviceProp_tR0600 * properties, int device) {
    (void) device;
    memset(properties, 0, sizeof *properties);
    strcpy(properties->name, "Stand-in");
    strcpy(properties->gcnArchName, "gfx803");
    return hipSuccess;
}

hipError_t hipSetDevice(int device) {
    (void) device;
    return hipSuccess;
}

hipError_t hipFuncGetAttributes(struct hipFuncAttributes * attributes, const void * function) {
    (void) attributes, (void) function;
    return KERNELS;
}
