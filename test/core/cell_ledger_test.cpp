#include "check.h"
#include "core/cell_ledger.h"

using llama_native::CellLedger;

TEST("cells are taken and given back") {
    CellLedger ledger(4, 10);
    ledger.append(0, 6);
    EQUAL(ledger.free(), 4u);
    ledger.truncate(0, 2);
    EQUAL(ledger.free(), 8u);
    EQUAL(ledger.length(0), 2u);
    ledger.drop(0);
    EQUAL(ledger.used(), 0u);
}

TEST("a shared prefix is counted once and outlives its first owner") {
    CellLedger ledger(4, 10);
    ledger.append(0, 6);
    ledger.share(0, 1, 4);
    ledger.append(1, 2);
    EQUAL(ledger.used(), 8u);
    EQUAL(ledger.exclusive(0), 2u);
    CHECK(!ledger.shares_nothing(1));
    ledger.drop(0);
    EQUAL(ledger.used(), 6u);
    CHECK(ledger.shares_nothing(1));
    ledger.drop(1);
    EQUAL(ledger.used(), 0u);
}

TEST("erasing in the middle keeps the rest in order") {
    CellLedger ledger(2, 10);
    ledger.append(0, 8);
    ledger.share(0, 1, 8);
    ledger.erase(0, 2, 5);
    EQUAL(ledger.length(0), 5u);
    EQUAL(ledger.used(), 8u);
    ledger.drop(1);
    EQUAL(ledger.used(), 5u);
}

TEST("freed cells are used again") {
    CellLedger ledger(2, 3);
    for (int round = 0; round < 100; round++) {
        ledger.append(0, 3);
        EQUAL(ledger.free(), 0u);
        ledger.drop(0);
    }
    EQUAL(ledger.free(), 3u);
}

TEST("cells that several sequences share are counted once among what they hold") {
    CellLedger ledger(3, 20);
    ledger.append(0, 6);
    ledger.share(0, 1, 4);
    ledger.append(1, 2);
    EQUAL(ledger.held_by({}), 0u);
    EQUAL(ledger.held_by({ { 0, 6 } }), 6u);
    EQUAL(ledger.held_by({ { 0, 6 }, { 1, 6 } }), 8u);
    EQUAL(ledger.held_by({ { 0, 2 }, { 1, 5 } }), 5u);
}
