#pragma once

// How a thread waits at ggml's barrier; see patches.cmake.

#include "ggml.h"

#include <stdint.h>
#ifdef _WIN32
// With less in it, as ggml includes it: whoever does so first decides.
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <time.h>
#endif
#ifdef __linux__
#include <sys/prctl.h>
#endif

static inline void ggml_thread_cpu_relax(void);

// A thread spins for so long before its first nap. Usual waits are a few microseconds; a nap, with the timer and the way
// back onto a core, takes 50 or more. So napping earlier costs more than it saves, whatever the machine is doing.
enum { llama_native_spin_microseconds = 200 };
// Pauses between two looks at the clock: about a microsecond.
enum { llama_native_pauses_per_look = 32 };

struct llama_native_wait {
    unsigned pauses;
    int64_t  nap_after_microseconds;  // by ggml's clock; 0 until the first look at it
};

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

static inline void llama_native_wait(struct llama_native_wait * wait) {
    ggml_thread_cpu_relax();
    if (++wait->pauses % llama_native_pauses_per_look != 0) return;
    const int64_t now = ggml_time_us();
    if (wait->nap_after_microseconds == 0) wait->nap_after_microseconds = now + llama_native_spin_microseconds;
    else if (now >= wait->nap_after_microseconds) llama_native_nap();
}
