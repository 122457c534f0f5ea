#include "core/runtime.h"

#include "common.h"
#include "core/error.h"
#include "core/kernels.h"
#include "ggml-backend.h"
#include "llama.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <thread>

#ifdef __linux__
#include <sched.h>
#endif

namespace llama_native {

namespace {

thread_local Guard * current_guard = nullptr;

constexpr size_t max_log_bytes = 8 * 1024;

// LLAMA_NATIVE_LOG=debug|info|warn|error prints llama.cpp's log to standard error as it comes; default: nothing.
ggml_log_level print_level() {
    static const ggml_log_level level = [] {
        const char * name = std::getenv("LLAMA_NATIVE_LOG");
        if (!name || !*name) return GGML_LOG_LEVEL_NONE;
        if (!std::strcmp(name, "debug")) return GGML_LOG_LEVEL_DEBUG;
        if (!std::strcmp(name, "info")) return GGML_LOG_LEVEL_INFO;
        if (!std::strcmp(name, "warn")) return GGML_LOG_LEVEL_WARN;
        return GGML_LOG_LEVEL_ERROR;
    }();
    return level;
}

} // namespace

struct GuardAccess {
    static void append(Guard & guard, const char * text) {
        guard.lines += text;
        if (guard.lines.size() > max_log_bytes) guard.lines.erase(0, guard.lines.size() - max_log_bytes);
    }
};

namespace {

void on_log(ggml_log_level level, const char * text, void *) {
    static thread_local ggml_log_level last = GGML_LOG_LEVEL_INFO;
    if (level == GGML_LOG_LEVEL_CONT) level = last;
    last = level;
    if (print_level() != GGML_LOG_LEVEL_NONE && level >= print_level()) std::fputs(text, stderr);
    if (current_guard && level >= GGML_LOG_LEVEL_WARN) GuardAccess::append(*current_guard, text);
}

// Of another copy of this package in the process, where both have ggml's libraries in common.
ggml_abort_callback_t previous_on_abort = nullptr;

void on_abort(const char * message) {
    if (current_guard) {
        GuardAccess::append(*current_guard, message);
        GuardAccess::append(*current_guard, "\n");
        throw std::runtime_error(message);
    }
    if (previous_on_abort) return previous_on_abort(message);
    std::fprintf(stderr, "%s\n", message);
}

} // namespace

Guard::Guard() : outer(current_guard) { current_guard = this; }

Guard::~Guard() {
    current_guard = outer;
    if (outer) GuardAccess::append(*outer, lines.c_str());
}

std::string Guard::log() const { return lines; }

namespace {

std::vector<std::string> lines_of(const std::string & text) {
    std::vector<std::string> lines;
    std::istringstream       stream(text);
    for (std::string line; std::getline(stream, line);) {
        if (!line.empty()) lines.push_back(line);
    }
    return lines;
}

// Written once, before ensure_backend first returns.
std::vector<std::string> warnings;

// llama.cpp's words and its ends of the process come here from now on, also while backends start.
void take_over_log() {
    llama_log_set(on_log, nullptr);
    const ggml_abort_callback_t previous = ggml_set_abort_callback(on_abort);
    if (previous != on_abort) previous_on_abort = previous;  // a start that failed is tried again
}

} // namespace

void ensure_backend() {
    // Not std::call_once, since an error would go through the C library: its frames ask the system's libgcc how to unwind, and
    // the addon has one of its own.
    static std::mutex           mutex;
    static bool                 done = false;
    std::lock_guard<std::mutex> lock(mutex);
    if (done) return;
    take_over_log();
    Guard guard;
    ask_backends([] {
        load_kernels();
        llama_backend_init();
    });
    warnings = lines_of(guard.log());
    done = true;
}

std::vector<std::string> backend_warnings() { return warnings; }

void ask_backends(const std::function<void()> & ask) {
    Guard guard;
    try {
        ask();
    } catch (const Error &) {
        throw;
    } catch (const std::exception & error) {
        std::string words;
        for (const std::string & line : lines_of(guard.log())) words += (words.empty() ? "" : "; ") + line;
        throw Error("BACKEND_UNAVAILABLE", "The devices cannot be listed: " + (words.empty() ? error.what() : words));
    }
}

#ifdef __linux__
namespace {

// cgroup v2's cpu.max is "quota period" or "max period"; the quota in whole CPUs, rounded up.
int cgroup_cpu_limit() {
    std::ifstream file("/sys/fs/cgroup/cpu.max");
    std::string   quota;
    double        period = 0;
    if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
    return static_cast<int>(std::ceil(std::strtod(quota.c_str(), nullptr) / period));
}

} // namespace
#endif

int default_thread_count() {
    int count = common_cpu_get_num_math();
#ifdef __linux__
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) count = std::min(count, CPU_COUNT(&allowed));
    if (const int limit = cgroup_cpu_limit()) count = std::min(count, limit);
#endif
    return std::max(1, count);
}

} // namespace llama_native
