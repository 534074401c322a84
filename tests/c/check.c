#include "check.h"

#include <poll.h>

void check_status(int32_t status, int32_t expected, const char *file, int line, const char *call)
{
    ftx_error error;
    if (status == expected)
        return;
    error.struct_size = sizeof error;
    ftx_last_error(&error);
    fprintf(stderr, "%s:%d: %s is %s, not %s; last error: %s\n", file, line, call,
            ftx_status_name(status), ftx_status_name(expected), error.message);
    exit(1);
}

ftx_client *client_of(const char *address, uint32_t dialect)
{
    ftx_client *client = NULL;
    ftx_config *config = ftx_config_new();
    CHECK(config != NULL);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_TIMEOUT_MS, 60000), FTX_OK);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_RETRIES, 2), FTX_OK);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_MIN_BACKOFF_MS, 1), FTX_OK);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_MAX_BACKOFF_MS, 10), FTX_OK);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_DURABILITY, FTX_DURABILITY_NONE), FTX_OK);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_DIALECT, dialect), FTX_OK);
    /* The proxy slows each connection separately, so many connections together would be fast. */
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_STREAMS, 1), FTX_OK);
    CHECK_STATUS(ftx_client_new(address, config, &client), FTX_OK);
    ftx_config_free(config);
    return client;
}

const char *path_of(const char *directory, const char *name)
{
    static char kept[8][4096];
    static unsigned next;
    char *path = kept[next++ % 8];
    CHECK(snprintf(path, sizeof kept[0], "%s/%s", directory, name) < (int)sizeof kept[0]);
    return path;
}

void make_file(const char *path, size_t bytes, unsigned kind)
{
    FILE *file = fopen(path, "wb");
    uint32_t state = 2463534242u + kind;
    CHECK(file != NULL);
    while (bytes > 0) {
        unsigned char piece[4096];
        size_t count = bytes < sizeof piece ? bytes : sizeof piece;
        size_t at;
        for (at = 0; at < count; at++) {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            piece[at] = (unsigned char)state;
        }
        CHECK(fwrite(piece, 1, count, file) == count);
        bytes -= count;
    }
    CHECK(fclose(file) == 0);
}

int same_files(const char *one, const char *other)
{
    FILE *first = fopen(one, "rb");
    FILE *second = fopen(other, "rb");
    int same = first != NULL && second != NULL;
    while (same) {
        char a[4096], b[4096];
        size_t count = fread(a, 1, sizeof a, first);
        same = fread(b, 1, sizeof b, second) == count && memcmp(a, b, count) == 0;
        if (count == 0)
            break;
    }
    if (first != NULL)
        fclose(first);
    if (second != NULL)
        fclose(second);
    return same;
}

ftx_event wait_event(ftx_client *client)
{
    ftx_event event;
    struct pollfd ready;
    event.struct_size = sizeof event;
    ready.fd = ftx_client_event_fd(client);
    ready.events = POLLIN;
    CHECK(ready.fd >= 0);
    for (;;) {
        int32_t status = ftx_client_next_event(client, &event);
        if (status == FTX_OK)
            return event;
        CHECK_STATUS(status, FTX_PENDING);
        CHECK(poll(&ready, 1, 60000) == 1);
    }
}

ftx_event wait_for(ftx_client *client, uint64_t job, uint32_t kind)
{
    for (;;) {
        ftx_event event = wait_event(client);
        if (event.job_id == job && event.kind == kind)
            return event;
        CHECK(event.job_id != job || event.kind != FTX_EVENT_JOB_ENDED);
    }
}

ftx_job *job_of(ftx_client *client, uint32_t kind, const char *path, const char *name)
{
    ftx_job *job = NULL;
    CHECK_STATUS(ftx_job_new(client, kind, &job), FTX_OK);
    CHECK_STATUS(ftx_job_add(job, path, name), FTX_OK);
    return job;
}
