/* Limits of the process. */
#include "check.h"

#include <signal.h>
#include <sys/resource.h>

#define MIB (1u << 20)

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = bytes;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* A file beyond the process's limit of file sizes is an error of its download. The signal for that limit
   does not end the program, and its handler stays the program's own. */
void limits(const char *address, const char *directory)
{
    static const uint32_t dialects[] = {FTX_DIALECT_NATIVE, FTX_DIALECT_LEGACY};
    const char *path = path_of(directory, "large"), *copy = path_of(directory, "large copy");
    struct sigaction action;
    size_t at;
    make_file(path, 3 * MIB, 1);
    for (at = 0; at < 2; at++) {
        ftx_client *client = client_of(address, dialects[at]);
        int32_t status;
        CHECK_STATUS(ftx_client_upload(client, path, "large", NULL, NULL), FTX_OK);
        limit_files(MIB);
        status = ftx_client_download(client, "large", copy, NULL, NULL);
        CHECK(status != FTX_OK && status != FTX_TIMED_OUT);
        limit_files(RLIM_INFINITY);
        CHECK_STATUS(ftx_client_download(client, "large", copy, NULL, NULL), FTX_OK);
        CHECK(same_files(path, copy));
        CHECK(remove(copy) == 0);
        ftx_client_free(client);
    }
    CHECK(sigaction(SIGXFSZ, NULL, &action) == 0);
    CHECK(action.sa_handler == SIG_DFL);
}
