#include "core/cell_ledger.h"

#include <algorithm>

namespace llama_native {

size_t CellLedger::exclusive(int32_t sequence) const {
    const auto & held = cells[size_t(sequence)];
    return static_cast<size_t>(std::count_if(held.begin(), held.end(), [&](uint32_t cell) { return owners[cell] == 1; }));
}

size_t CellLedger::held_by(const std::vector<Part> & parts) const {
    std::vector<bool> held(owners.size());
    size_t            count = 0;
    for (const auto & [sequence, length] : parts) {
        const auto & own = cells[size_t(sequence)];
        for (size_t i = 0; i < std::min(length, own.size()); i++) {
            count += !held[own[i]];
            held[own[i]] = true;
        }
    }
    return count;
}

void CellLedger::append(int32_t sequence, size_t count) {
    auto & held = cells[size_t(sequence)];
    for (size_t i = 0; i < count; i++) {
        if (vacant.empty()) {
            vacant.push_back(static_cast<uint32_t>(owners.size()));
            owners.push_back(0);
        }
        owners[vacant.back()] = 1;
        held.push_back(vacant.back());
        vacant.pop_back();
    }
    used_ += count;
}

void CellLedger::erase(int32_t sequence, size_t begin, size_t end) {
    auto & held = cells[size_t(sequence)];
    for (size_t i = begin; i < end; i++) {
        if (--owners[held[i]] == 0) {
            vacant.push_back(held[i]);
            used_--;
        }
    }
    held.erase(held.begin() + std::ptrdiff_t(begin), held.begin() + std::ptrdiff_t(end));
}

void CellLedger::share(int32_t from, int32_t to, size_t length) {
    const auto & source = cells[size_t(from)];
    auto &       target = cells[size_t(to)];
    target.assign(source.begin(), source.begin() + std::ptrdiff_t(length));
    for (const uint32_t cell : target) owners[cell]++;
}

} // namespace llama_native
