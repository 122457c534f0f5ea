#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace llama_native {

// llama.cpp's global state: backends are initialized once a process and stay so until it ends, because ggml's registry
// cannot be taken down while another environment (worker thread) uses it. Throws Error where there are no kernels for this CPU,
// or a GPU's driver fails. Thread safe.
void ensure_backend();

// What backends warned of, a line each, when they looked for their devices: that there is no driver, for one.
std::vector<std::string> backend_warnings();

// Calls what asks backends for devices. ggml ends the process where a driver fails; here that is an Error with its words.
void ask_backends(const std::function<void()> & ask);

// While one lives on a thread, a failed GGML_ASSERT or GGML_ABORT on that thread throws std::runtime_error instead of
// ending the process, and llama.cpp's warnings and errors of that thread are collected.
//
// This is the second line of defence: arguments are checked before llama.cpp sees them. It cannot help on ggml's own
// worker threads, which run kernels only.
class Guard {
public:
    Guard();
    ~Guard();
    Guard(const Guard &) = delete;
    Guard & operator=(const Guard &) = delete;

    // The last lines that llama.cpp logged at warning level or above since this guard was made.
    std::string log() const;

private:
    Guard *     outer;
    std::string lines;

    friend struct GuardAccess;
};

// Threads for compute: the physical cores this process may use (affinity mask and cgroup quota considered), at least 1.
int default_thread_count();

} // namespace llama_native
