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
    {"kept", kept},
    {"threads", threads},
    {"forked", forked},
    {"logs", logs},
    {"killed", killed},
    {"limits", limits},
    {"secure", secure},
};

/* The text and the number of the header name the same version, that of the library. */
static void check_version(void)
{
    unsigned long major = FTX_VERSION_NUM >> 16, minor = FTX_VERSION_NUM >> 8 & 255;
    char text[32];
#if FTX_VERSION_NUM < 0x000100
#error "the version cannot be compared by the preprocessor"
#endif
    snprintf(text, sizeof text, "%lu.%lu.%lu", major, minor, (unsigned long)FTX_VERSION_NUM & 255);
    CHECK(strncmp(FTX_VERSION, text, strlen(text)) == 0);
    CHECK(strcmp(FTX_VERSION, ftx_version()) == 0);
}

int main(int count, char **arguments)
{
    size_t at;
    CHECK(count == 4);
    CHECK(ftx_abi_version() == FTX_ABI_VERSION);
    check_version();
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
