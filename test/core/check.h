#pragma once

#include <cstdio>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

// As much of a test framework as these tests need: cases register themselves, and a failed check ends its case.

struct Case {
    std::string           name;
    std::function<void()> body;
};

inline std::vector<Case> & cases() {
    static std::vector<Case> all;
    return all;
}

struct Register {
    Register(const char * name, std::function<void()> body) { cases().push_back({ name, std::move(body) }); }
};

#define TEST_CONCAT_(a, b) a##b
#define TEST_CONCAT(a, b) TEST_CONCAT_(a, b)
#define TEST(name)                                                                                                     \
    static void     TEST_CONCAT(body_, __LINE__)();                                                                    \
    static Register TEST_CONCAT(register_, __LINE__)(name, TEST_CONCAT(body_, __LINE__));                              \
    static void     TEST_CONCAT(body_, __LINE__)()

template <typename A, typename B> void check_equal(const A & actual, const B & expected, const char * text, const char * file, int line) {
    if (actual == expected) return;
    std::ostringstream message;
    message << file << ":" << line << ": " << text << " is " << actual << ", expected " << expected;
    throw std::runtime_error(message.str());
}

#define EQUAL(actual, expected) check_equal((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK(condition) check_equal(bool(condition), true, #condition, __FILE__, __LINE__)
