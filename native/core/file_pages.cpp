#include "core/file_pages.h"

#ifdef __linux__
#include <cstdio>
#include <fstream>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#endif

namespace llama_native {

FilePages::FilePages(const std::vector<std::string> & paths) {
#ifdef __linux__
    for (const auto & path : paths) {
        struct stat info{};
        if (stat(path.c_str(), &info) == 0) files.push_back({ info.st_dev, info.st_ino });
    }
#else
    (void) paths;
#endif
}

std::timed_mutex & FilePages::loads() {
    static auto & mutex = *new std::timed_mutex;  // outlives every thread
    return mutex;
}

std::mutex & FilePages::unmapping() {
    static auto & mutex = *new std::mutex;
    return mutex;
}

void FilePages::release() const {
#ifdef __linux__
    std::lock_guard<std::mutex> lock(unmapping());
    std::ifstream               maps("/proc/self/maps");
    std::string                 line;
    while (std::getline(maps, line)) {
        unsigned long begin = 0, end = 0;
        unsigned      major_number = 0, minor_number = 0;
        unsigned long long inode = 0;
        char          permissions[5] = {};
        if (std::sscanf(line.c_str(), "%lx-%lx %4s %*x %x:%x %llu", &begin, &end, permissions, &major_number,
                &minor_number, &inode) != 6) {
            continue;
        }
        if (permissions[1] == 'w') continue;  // only read-only mappings can be dropped without losing anything
        for (const auto & file : files) {
            if (file.inode == inode && major(file.device) == major_number && minor(file.device) == minor_number) {
                // Fails with EINVAL on locked pages, which is right: they were asked to stay.
                (void) madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
            }
        }
    }
#endif
}

} // namespace llama_native
