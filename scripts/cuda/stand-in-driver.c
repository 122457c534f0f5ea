// Stands for NVIDIA's driver, libcuda.so.1, as far as CUDA's runtime asks before it gives up: VERSION is the CUDA it serves,
// RESULT what it says when it is started.

int cuDriverGetVersion(int * version) {
    *version = VERSION;
    return 0;
}

int cuInit(unsigned flags) {
    (void) flags;
    return RESULT;
}

static int unused(void) { return 999; }

static int same(const char * a, const char * b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

int cuGetProcAddress_v2(const char * name, void ** function, int version, unsigned long long flags, int * status) {
    (void) version, (void) flags;
    *function = same(name, "cuInit")               ? (void *) cuInit
              : same(name, "cuDriverGetVersion")   ? (void *) cuDriverGetVersion
              : same(name, "cuGetProcAddress")     ? (void *) cuGetProcAddress_v2
                                                   : (void *) unused;
    if (status) *status = 0;
    return 0;
}

int cuGetProcAddress(const char * name, void ** function, int version, unsigned long long flags) {
    return cuGetProcAddress_v2(name, function, version, flags, 0);
}
