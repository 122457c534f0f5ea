#pragma once

#include <mutex>
#include <string>
#include <vector>

namespace llama_native {

// Lets go of this process's resident pages of memory-mapped model files.
//
// Loading touches every page of the mapping. Where weights are repacked for the CPU's kernels, the copy is what is used
// from then on, and the file's pages would stay resident beside it: twice the weights. Pages that are still needed
// (tensors used as mapped) come back from the page cache at the first touch, without disk reads.
class FilePages {
public:
    explicit FilePages(const std::vector<std::string> & paths);

    // `release` works by address, which must not become something else's in the meantime. So one load at a time maps files,
    // and unmaps parts of them; it holds this all along.
    static std::timed_mutex & loads();
    // Held by `release`, and by whoever unmaps files outside of a load: that may be the JS thread, which cannot wait for one.
    static std::mutex & unmapping();

    // The caller holds `loads`. Linux only; elsewhere the system reclaims such pages by itself under pressure, and this does nothing.
    void release() const;

private:
    struct File {
        unsigned long long device;
        unsigned long long inode;
    };
    std::vector<File> files;
};

} // namespace llama_native
