#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace llama_native {

using ErrorDetail = std::variant<double, std::string, bool>;
using ErrorDetails = std::map<std::string, ErrorDetail>;

// An error of the catalogue in src/errors.ts. `log` holds llama.cpp's own lines of the failing call, or is empty.
struct Error : std::runtime_error {
    Error(std::string code, const std::string & message, ErrorDetails details = {}, std::string log = {}) :
        std::runtime_error(message), code(std::move(code)), details(std::move(details)), log(std::move(log)) {}

    std::string  code;
    ErrorDetails details;
    std::string  log;
};

} // namespace llama_native
