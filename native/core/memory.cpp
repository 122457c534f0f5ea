#include "core/memory.h"

#include "ggml-backend.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace llama_native {

namespace {

#ifdef __linux__
uint64_t meminfo_available() {
    std::ifstream file("/proc/meminfo");
    for (std::string name; file >> name;) {
        uint64_t kibibytes = 0;
        file >> kibibytes;
        if (name == "MemAvailable:") return kibibytes * 1024;
        file.ignore(64, '\n');
    }
    return 0;
}

// What is left under the limit of a cgroup v2, its file cache counted as free; 0 where there is no limit.
uint64_t cgroup_available() {
    std::ifstream limit_file("/sys/fs/cgroup/memory.max"), used_file("/sys/fs/cgroup/memory.current");
    uint64_t      limit = 0, used = 0;
    if (!(limit_file >> limit) || !(used_file >> used)) return 0;
    std::ifstream stat("/sys/fs/cgroup/memory.stat");
    for (std::string name; stat >> name;) {
        uint64_t value = 0;
        stat >> value;
        if (name == "inactive_file" || name == "active_file") used -= std::min(used, value);
    }
    return limit > used ? limit - used : 1;
}
#endif

} // namespace

uint64_t available_memory_bytes() {
#ifdef __linux__
    const uint64_t system = meminfo_available();
    const uint64_t group = cgroup_available();
    return group ? std::min(system, group) : system;
#else
    size_t free = 0, total = 0;
    if (ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU)) {
        ggml_backend_dev_memory(device, &free, &total);
    }
    return free;
#endif
}

} // namespace llama_native
