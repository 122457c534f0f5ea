#include "core/kernels.h"

#ifdef LLAMA_NATIVE_VARIANTS

#include "core/error.h"
#include "ggml-backend.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#ifdef _WIN32
// Its macros min and max would take the place of std::min and std::max.
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#endif

namespace llama_native {

namespace {

#ifdef LLAMA_NATIVE_VARIANTS

namespace fs = std::filesystem;

#ifdef _WIN32
constexpr char prefix[] = "ggml-", suffix[] = ".dll";
#else
constexpr char prefix[] = "libggml-", suffix[] = ".so";
#endif
constexpr char cpu[] = "cpu-";

// What the system's loader does, by the paths of files. Libraries stay: ggml cannot take a backend down.
#ifdef _WIN32

using Library = HMODULE;

fs::path file_with(void * function) {
    HMODULE library;
    GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                       static_cast<LPCWSTR>(function), &library);
    std::vector<wchar_t> name(32768);
    GetModuleFileNameW(library, name.data(), DWORD(name.size()));
    return name.data();
}

Library open_library(const fs::path & path) {
    return LoadLibraryExW(path.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
}
void   close_library(Library library) { FreeLibrary(library); }
void * find_symbol(Library library, const char * name) {
    return reinterpret_cast<void *>(GetProcAddress(library, name));
}

std::string last_failure() { return "error " + std::to_string(GetLastError()); }

#else

using Library = void *;

fs::path file_with(void * function) {
    Dl_info found;
    return dladdr(function, &found) ? found.dli_fname : "";
}

Library open_library(const fs::path & path) { return dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL); }
void    close_library(Library library) { dlclose(library); }
void *  find_symbol(Library library, const char * name) { return dlsym(library, name); }

std::string last_failure() {
    const char * words = dlerror();
    return words ? words : "unknown";
}

#endif

template <class Result>
std::optional<Result> call(Library library, const char * name) {
    auto * function = reinterpret_cast<Result (*)()>(find_symbol(library, name));
    return function ? std::optional<Result>(function()) : std::nullopt;
}

// Of the files in a folder those that ggml names so, without what their names share: "cpu-haswell", "vulkan".
std::vector<std::string> list_backends(const fs::path & folder) {
    std::vector<std::string> names;
    std::error_code          ignored;
    for (const auto & entry : fs::directory_iterator(folder, ignored)) {
        const std::string name = entry.path().filename().u8string();
        const size_t      ends = std::size(prefix) - 1 + std::size(suffix) - 1;
        if (name.size() <= ends || name.rfind(prefix, 0) != 0 || entry.path().extension() != suffix) continue;
        names.push_back(name.substr(std::size(prefix) - 1, name.size() - ends));
    }
    std::sort(names.begin(), names.end());
    return names;
}

fs::path file_of(const fs::path & folder, const std::string & backend) {
    return folder / fs::u8path(prefix + backend + suffix);
}

void add_backend(Library library) {
    if (const auto backend = call<ggml_backend_reg_t>(library, "ggml_backend_init")) ggml_backend_register(*backend);
}

// ggml's own score, which is 0 where the machine cannot run it.
struct Choice {
    Library library;
    int     score;
};

// `failures` gets what the system says of those that cannot be loaded.
std::optional<Choice> choose_variant(const fs::path & folder, const std::vector<std::string> & names,
                                     std::string & failures) {
    std::optional<Choice> best;
    for (const std::string & name : names) {
        if (name.rfind(cpu, 0) != 0) continue;
        Library library = open_library(file_of(folder, name));
        if (!library) {
            failures += "; " + last_failure();
            continue;
        }
        const int score = call<int>(library, "ggml_backend_score").value_or(0);
        if (score <= (best ? best->score : 0)) {
            close_library(library);
            continue;
        }
        if (best) close_library(best->library);
        best = Choice{ library, score };
    }
    return best;
}

#endif

} // namespace

void load_kernels() {
#ifdef LLAMA_NATIVE_VARIANTS
    // Another copy of this package in the process, which shares ggml's registry, was first.
    if (ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU)) return;
    const fs::path folder = file_with(reinterpret_cast<void *>(&load_kernels)).parent_path();
    const auto     names = list_backends(folder);
    std::string    failures;
    const auto     best = choose_variant(folder, names, failures);
    const auto     in = ErrorDetails{ { "folder", folder.u8string() } };
    if (!best) {
        throw Error("BACKEND_UNAVAILABLE",
                    "Expected kernels for this CPU beside the addon (" + std::string(prefix) + cpu + "*" + suffix +
                        ") but found none that it can run in " + folder.u8string() + failures,
                    in);
    }
    // ggml's order: the CPU is the last of the devices.
    for (const std::string & name : names) {
        if (name.rfind(cpu, 0) == 0) continue;
        Library library = open_library(file_of(folder, name));
        if (!library)
            throw Error("BACKEND_UNAVAILABLE", "The backend " + name + " cannot be loaded: " + last_failure(), in);
        add_backend(library);
    }
    add_backend(best->library);
#endif
}

std::string kernel_variant() {
#ifdef LLAMA_NATIVE_VARIANTS
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    if (!device) return "";
    ggml_backend_reg_t registry = ggml_backend_dev_backend_reg(device);
    const std::string  name =
        file_with(ggml_backend_reg_get_proc_address(registry, "ggml_threadpool_new")).stem().u8string();
    return name.substr(std::min(name.size(), std::size(prefix) - 1 + std::size(cpu) - 1));
#else
    return "";
#endif
}

} // namespace llama_native
