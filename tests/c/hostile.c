/* Misuse and rare use of the library, with a server running. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Structs of older and newer headers: the library never writes beyond the caller's struct. */
static void sizes_of_structs(ftx_client *client)
{
    union {
        ftx_event event;
        ftx_file file;
        ftx_totals totals;
        ftx_entry entry;
        unsigned char bytes[8192];
    } place;
    ftx_job *job = job_of(client, FTX_JOB_STAT, NULL, "/");
    uint32_t size;
    CHECK_STATUS(ftx_job_start(job), FTX_OK);
    CHECK_STATUS(ftx_job_wait(job, -1), FTX_NAME_REFUSED);
    for (size = 0; size < 8; size++) {
        place.event.struct_size = size;
        CHECK_STATUS(ftx_client_next_event(client, &place.event), FTX_STRUCT_SIZE);
        CHECK_STATUS(ftx_job_file(job, 0, &place.file), FTX_STRUCT_SIZE);
        CHECK_STATUS(ftx_job_totals(job, &place.totals), FTX_STRUCT_SIZE);
        CHECK_STATUS(ftx_job_next_entry(job, &place.entry), FTX_STRUCT_SIZE);
    }
    for (size = 8; size < sizeof place.bytes; size += size < 200 ? 1 : 97) {
        uint32_t at;
        memset(&place, 0xee, sizeof place);
        place.totals.struct_size = size;
        CHECK_STATUS(ftx_job_totals(job, &place.totals), FTX_OK);
        CHECK(place.totals.struct_size == size);
        for (at = sizeof place.totals; at < sizeof place.bytes; at++)
            CHECK(place.bytes[at] == (at < size ? 0 : 0xee));
        if (size < sizeof place.totals)
            CHECK(place.bytes[size] == 0xee);
    }
    /* Takes the end of the file with a header without totals, then the end of the job with this one. */
    memset(&place, 0xee, sizeof place);
    place.event.struct_size = offsetof(ftx_event, files_total);
    CHECK_STATUS(ftx_client_next_event(client, &place.event), FTX_OK);
    CHECK(place.event.kind == FTX_EVENT_FILE_ENDED && place.event.status == FTX_NAME_REFUSED);
    CHECK(place.bytes[offsetof(ftx_event, files_total)] == 0xee);
    place.event.struct_size = sizeof place.event;
    CHECK_STATUS(ftx_client_next_event(client, &place.event), FTX_OK);
    CHECK(place.event.kind == FTX_EVENT_JOB_ENDED && place.event.files_failed == 1);
    ftx_job_free(job);
}

static void lengths(ftx_client *client)
{
    static char endless[6000];
    const char *texts[] = {"a", "b"};
    ftx_config *config = ftx_config_new();
    ftx_job *job = NULL;
    const size_t wrapping = SIZE_MAX / sizeof texts[0] + 2;
    const uint8_t byte = 1;
    uint64_t count = 0;
    memset(endless, 'x', sizeof endless - 1);
    CHECK_STATUS(ftx_client_upload_files(client, texts, texts, wrapping, 0, NULL, NULL),
                 FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_client_download_files(client, texts, texts, wrapping, 0, NULL, NULL),
                 FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_config_set_bytes(config, FTX_OPTION_CACHE, &byte, SIZE_MAX),
                 FTX_INVALID_ARGUMENT);
    ftx_config_free(config);
    CHECK_STATUS(ftx_job_new(client, FTX_JOB_UPLOAD, &job), FTX_OK);
    CHECK_STATUS(ftx_job_set_bytes(job, FTX_JOB_OPTION_OVERWRITE_DIGEST, &byte, SIZE_MAX),
                 FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_job_add_bytes(job, "a", SIZE_MAX, "a", 1), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_job_add_bytes(job, "a", 1, "a", SIZE_MAX), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_job_file_count(job, &count), FTX_OK);
    CHECK(count == 0);
    ftx_job_free(job);
    CHECK_STATUS(ftx_client_upload(client, endless, "a", NULL, NULL), FTX_LOCAL_IO_ERROR);
    CHECK_STATUS(ftx_client_upload(client, "/dev/null", endless, NULL, NULL), FTX_NAME_REFUSED);
}

/* Paths that are not regular files, on which the library must not block. */
static void odd_paths(ftx_client *client, const char *directory)
{
    const char *fifo = path_of(directory, "fifo");
    const char *path = path_of(directory, "odd");
    ftx_job *job;
    make_file(path, 10, 1);
    CHECK_STATUS(ftx_client_upload(client, path, "odd", NULL, NULL), FTX_OK);
    CHECK(mkfifo(fifo, 0600) == 0);
    CHECK_STATUS(ftx_client_upload(client, fifo, "a", NULL, NULL), FTX_LOCAL_NOT_A_FILE);
    CHECK_STATUS(ftx_client_upload(client, directory, "a", NULL, NULL), FTX_LOCAL_NOT_A_FILE);
    CHECK_STATUS(ftx_client_download(client, "odd", directory, NULL, NULL),
                 FTX_LOCAL_NOT_A_FILE);
    CHECK(ftx_client_upload(client, "", "a", NULL, NULL) < 0);
    CHECK(ftx_client_download(client, "odd", "", NULL, NULL) < 0);
    CHECK_STATUS(ftx_job_new(client, FTX_JOB_UPLOAD, &job), FTX_OK);
    CHECK_STATUS(ftx_job_add_bytes(job, path, strlen(path), "a\0b", 3), FTX_OK);
    CHECK_STATUS(ftx_job_add_bytes(job, "\xff\xfe/none", 7, "none", 4), FTX_OK);
    CHECK_STATUS(ftx_job_set_u64(job, FTX_JOB_OPTION_KEEP_GOING, 1), FTX_OK);
    CHECK_STATUS(ftx_job_start(job), FTX_OK);
    CHECK_STATUS(ftx_job_add(job, path, "late"), FTX_WRONG_STATE);
    CHECK_STATUS(ftx_job_start(job), FTX_WRONG_STATE);
    CHECK(ftx_job_wait(job, INT64_MAX) < 0);
    CHECK(ftx_job_wait(job, INT64_MIN) < 0);
    CHECK_STATUS(ftx_job_cancel(job), FTX_OK);
    CHECK_STATUS(ftx_job_abort(job), FTX_OK);
    CHECK_STATUS(ftx_job_resume(job), FTX_WRONG_STATE);
    ftx_job_free(job);
    CHECK(unlink(fifo) == 0);
}

static int32_t free_a_job(const ftx_event *event, void *user_data)
{
    ftx_job **job = user_data;
    (void)event;
    ftx_job_free(*job);
    *job = NULL;
    return 0;
}

static void *wait_for_job(void *job)
{
    CHECK_STATUS(ftx_job_wait(job, -1), FTX_NOT_FOUND);
    return NULL;
}

/* Handles are freed in any order with events queued, and several threads wait for one job. */
static void handles(const char *address, const char *directory)
{
    enum { JOBS = 50, THREADS = 4 };
    ftx_client *client = client_of(address, FTX_DIALECT_AUTO);
    const char *path = path_of(directory, "odd");
    ftx_job *jobs[JOBS];
    pthread_t threads[THREADS];
    ftx_file file;
    unsigned at;
    file.struct_size = sizeof file;
    for (at = 0; at < JOBS; at++) {
        jobs[at] = job_of(client, FTX_JOB_STAT, NULL, "none");
        if (at < THREADS)
            CHECK(pthread_create(&threads[at], NULL, wait_for_job, jobs[0]) == 0);
    }
    for (at = 0; at < JOBS; at++)
        CHECK_STATUS(ftx_job_start(jobs[at]), FTX_OK);
    for (at = 0; at < THREADS; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);
    CHECK_STATUS(ftx_client_upload(client, path, "odd", free_a_job, &jobs[JOBS - 1]), FTX_OK);
    CHECK(jobs[JOBS - 1] == NULL);
    /* The queue is full of events that were not taken. */
    ftx_client_free(client);
    CHECK_STATUS(ftx_job_wait(jobs[0], 0), FTX_NOT_FOUND);
    CHECK_STATUS(ftx_job_file(jobs[0], 0, &file), FTX_OK);
    CHECK_STATUS(file.status, FTX_NOT_FOUND);
    CHECK_STATUS(ftx_job_pause(jobs[0]), FTX_WRONG_STATE);
    for (at = 0; at < JOBS; at++)
        ftx_job_free(jobs[at]);
}

/* Reading or writing the descriptor is forbidden, but loses no events. */
static void descriptor(const char *address)
{
    ftx_client *client = client_of(address, FTX_DIALECT_AUTO);
    const int fd = ftx_client_event_fd(client);
    uint64_t number = 1;
    unsigned round;
    for (round = 0; round < 3; round++) {
        ftx_job *job = job_of(client, FTX_JOB_STAT, NULL, "none");
        ftx_event event;
        event.struct_size = sizeof event;
        CHECK_STATUS(ftx_job_start(job), FTX_OK);
        CHECK_STATUS(ftx_job_wait(job, -1), FTX_NOT_FOUND);
        if (round == 1)
            CHECK(read(fd, &number, sizeof number) == sizeof number);
        if (round == 2)
            CHECK(write(fd, &number, sizeof number) == sizeof number);
        while (ftx_client_next_event(client, &event) == FTX_OK) {
        }
        CHECK(event.kind == FTX_EVENT_JOB_ENDED);
        CHECK(read(fd, &number, sizeof number) < 0);
        ftx_job_free(job);
    }
    ftx_client_free(client);
}

/* Running out of descriptors yields a status; the client works once descriptors are available. */
static void no_descriptors(const char *address, const char *directory)
{
    ftx_client *client = client_of(address, FTX_DIALECT_AUTO);
    const char *path = path_of(directory, "odd");
    const char *copy = path_of(directory, "odd copy");
    struct rlimit before, few;
    int taken[256], count, left;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    few = before;
    few.rlim_cur = 128;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    for (count = 0; count < 256 && (taken[count] = open("/dev/null", O_RDONLY)) >= 0; count++) {
    }
    for (left = 0; left < 8 && count > 0; left++) {
        ftx_client *other = NULL;
        int32_t status = ftx_client_new(address, NULL, &other);
        CHECK(status == FTX_OK || status == FTX_NO_RESOURCES);
        CHECK((other != NULL) == (status == FTX_OK));
        ftx_client_free(other);
        status = ftx_client_upload(client, path, "odd", NULL, NULL);
        CHECK(status <= FTX_OK && status != FTX_INTERNAL);
        status = ftx_client_download(client, "odd", copy, NULL, NULL);
        CHECK(status <= FTX_OK && status != FTX_INTERNAL);
        close(taken[--count]);
    }
    while (count > 0)
        close(taken[--count]);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK_STATUS(ftx_client_upload(client, path, "odd", NULL, NULL), FTX_OK);
    ftx_client_free(client);
}

static void never_log(uint32_t level, const char *message, void *user_data)
{
    (void)level;
    (void)user_data;
    CHECK(!message);
}

void hostile(const char *address, const char *directory)
{
    ftx_client *client = client_of(address, FTX_DIALECT_AUTO);
    sizes_of_structs(client);
    lengths(client);
    odd_paths(client, directory);
    CHECK_STATUS(ftx_set_log_callback(0, never_log, NULL), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_set_log_callback(FTX_LOG_TRACE + 1, never_log, NULL), FTX_INVALID_ARGUMENT);
    ftx_client_free(client);
    handles(address, directory);
    descriptor(address);
    no_descriptors(address, directory);
}
