/* Runs one scenario: PROGRAM SCENARIO ADDRESS DIRECTORY. Prints "done" on success. */
#include "check.h"

static const struct {
    const char *name;
    void (*run)(const char *address, const char *directory);
} scenarios[] = {
    {"misuse", misuse},
    {"hostile", hostile},
    {"native_calls", native_calls},
    {"legacy_calls", legacy_calls},
    {"lists", lists},
    {"slow_callbacks", slow_callbacks},
    {"slow_jobs", slow_jobs},
    {"slow_ends", slow_ends},
    {"many_jobs", many_jobs},
    {"threads", threads},
    {"forked", forked},
    {"logs", logs},
    {"killed", killed},
    {"limits", limits},
};

int main(int count, char **arguments)
{
    size_t at;
    CHECK(count == 4);
    CHECK(ftx_abi_version() == FTX_ABI_VERSION);
    for (at = 0; at < sizeof scenarios / sizeof scenarios[0]; at++) {
        if (strcmp(scenarios[at].name, arguments[1]) == 0) {
            scenarios[at].run(arguments[2], arguments[3]);
            puts("done");
            return 0;
        }
    }
    fprintf(stderr, "there is no scenario %s\n", arguments[1]);
    return 2;
}
