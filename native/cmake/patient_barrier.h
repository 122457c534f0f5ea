#pragma once

// How a thread waits at ggml's barrier; see patient_barrier.cmake.

#ifdef _WIN32
#include <windows.h>
#else
#include <sched.h>
#include <time.h>
#endif

static inline void ggml_thread_cpu_relax(void);

// `waited` counts the calls of this wait.
static inline void llama_native_wait(unsigned waited) {
    enum { spins = 8192, yields = 64 };  // about 100 microseconds each
    if (waited < spins) {
        ggml_thread_cpu_relax();
    } else if (waited < spins + yields) {
#ifdef _WIN32
        SwitchToThread();
#else
        sched_yield();
#endif
    } else {
#ifdef _WIN32
        Sleep(0);
#else
        const struct timespec nap = { 0, 20000 };
        nanosleep(&nap, 0);
#endif
    }
}
