#pragma once

#include "llama.h"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

namespace llama_native {

// ggml's compute threads, shared by all engines of the process that want the same number. A pool runs one graph at a
// time, so engines take turns, step by step, in order of arrival: two pools of spinning threads on the same cores would
// cost each other far more than waiting does. Threads sleep while nothing computes.
class ThreadPool {
public:
    // The process's pool of this many threads (the caller's thread is one of them); made at the first call and freed
    // with its last owner. Thread safe.
    static std::shared_ptr<ThreadPool> acquire(int threads);
    ~ThreadPool();

    ggml_threadpool_t get() const { return pool; }

    // Holds the pool for one decode. While it waits for the pool it calls `goes_on` every few milliseconds, and gives up where that
    // says so: then it does not hold it.
    class Turn {
    public:
        Turn(ThreadPool & pool, const std::function<bool()> & goes_on);
        ~Turn();
        Turn(const Turn &) = delete;
        Turn & operator=(const Turn &) = delete;
        bool holds() const { return held; }

    private:
        ThreadPool & pool;
        bool         held = false;
    };

private:
    explicit ThreadPool(int threads);
    void give_up(uint64_t ticket);
    void serve_next();

    ggml_threadpool_t       pool;
    std::mutex              mutex;
    std::condition_variable turn_changed;
    uint64_t                next_ticket = 0;
    uint64_t                now_serving = 0;
    std::set<uint64_t>      given_up;  // tickets whose turn is still to come
};

} // namespace llama_native
