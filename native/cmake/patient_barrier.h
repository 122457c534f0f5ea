#pragma once

// How a thread waits at ggml's barrier; see patient_barrier.cmake.

#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif
#ifdef __linux__
#include <sys/prctl.h>
#endif

static inline void ggml_thread_cpu_relax(void);

// Spins before the first nap; a few times 10 microseconds to begin with. Waits that end while spinning make a thread more
// patient, as on a machine of its own a nap only costs time; waits that do not make it less so, as its core is wanted.
enum { llama_native_least_spins = 64, llama_native_most_spins = 16384 };
static _Thread_local unsigned llama_native_spins = 4096;

static inline void llama_native_nap(void) {
#ifdef _WIN32
    SwitchToThread();
#else
#ifdef __linux__
    static _Thread_local int precise = 0;
    if (!precise) {
        precise = 1;
        prctl(PR_SET_TIMERSLACK, 1UL);  // else every nap is 50 microseconds longer
    }
#endif
    const struct timespec nap = { 0, 5000 };
    nanosleep(&nap, 0);
#endif
}

// `waited` counts the calls of this wait.
static inline void llama_native_wait(unsigned waited) {
    if (waited < llama_native_spins) ggml_thread_cpu_relax();
    else llama_native_nap();
}

static inline void llama_native_waited(unsigned waited) {
    if (waited > llama_native_spins) {
        llama_native_spins /= 2;
        if (llama_native_spins < llama_native_least_spins) llama_native_spins = llama_native_least_spins;
    } else {
        llama_native_spins += llama_native_spins / 16;
        if (llama_native_spins > llama_native_most_spins) llama_native_spins = llama_native_most_spins;
    }
}
