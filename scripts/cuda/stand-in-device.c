// Stands for a GPU whose driver fails late: preloaded before CUDA's runtime, it finds a device and then answers PROPERTIES
// when it is asked what it can do, KERNELS when a kernel is looked for, as a GPU does of an architecture that was not compiled
// for, and USE when it is to be used, as one does whose memory is taken to the last byte.

#include <cuda_runtime_api.h>
#include <string.h>

cudaError_t cudaGetDeviceCount(int * count) {
    *count = 1;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp * properties, int device) {
    (void) device;
    memset(properties, 0, sizeof *properties);
    strcpy(properties->name, "Stand-in");
    properties->major = 8;
    properties->minor = 6;
    return PROPERTIES;
}

cudaError_t cudaDeviceGetAttribute(int * value, enum cudaDeviceAttr attribute, int device) {
    (void) attribute, (void) device;
    *value = 1;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char * id, int length, int device) {
    (void) device;
    strncpy(id, "0000:00:00.0", length);
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int * device) {
    *device = -1;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    (void) device;
    return USE;
}

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes * attributes, const void * function) {
    (void) function;
    memset(attributes, 0, sizeof *attributes);
    return KERNELS;
}
