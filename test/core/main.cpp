#include "check.h"

int main() {
    int failed = 0;
    for (const auto & test : cases()) {
        try {
            test.body();
        } catch (const std::exception & error) {
            failed++;
            std::printf("FAILED  %s\n        %s\n", test.name.c_str(), error.what());
        }
    }
    std::printf("%d of %d tests passed\n", int(cases().size()) - failed, int(cases().size()));
    return failed == 0 ? 0 : 1;
}
