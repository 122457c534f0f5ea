#pragma once

// Node-API's functions on Windows, for compilers other than Visual Studio's: found by name in the program that runs, or in
// Node's own library where it has one, when the addon is loaded. An import library would look for them in a file called
// node.exe, which Electron's, Bun's and a renamed Node are not; Visual Studio's linker has a hook for that (cmake-js'
// win_delay_load_hook.cc).
//
// node_exports.c, which CMakeLists.txt writes, has a line for each function. They jump on with all of their arguments. (x64 alone:
// Visual Studio builds for ARM.)

#include <windows.h>

static void * llama_native_find(const char * name) {
    static const wchar_t * const libraries[] = { L"node.dll", L"nw.dll" };
    for (int i = 0; i < 2; i++) {
        HMODULE library = GetModuleHandleW(libraries[i]);
        FARPROC found   = library ? GetProcAddress(library, name) : NULL;
        if (found) return (void *) found;
    }
    return (void *) GetProcAddress(GetModuleHandleW(NULL), name);
}

#define LLAMA_NATIVE_EXPORT(name)                                                                \
    void * name##_at;                                                                            \
    __attribute__((naked)) void name(void) { __asm__("jmpq *" #name "_at(%rip)"); }              \
    __attribute__((constructor)) static void find_##name(void) { name##_at = llama_native_find(#name); }
