/* Blocking calls. */
#include "check.h"

#define MIB (1u << 20)

/* Checks the totals in the events of an upload of three files, one of which is missing. */
static int32_t count(const ftx_event *event, void *user_data)
{
    ftx_event *last = user_data;
    CHECK(event->struct_size == sizeof *event);
    CHECK(event->files_total == 3 && event->files_sized == 2);
    CHECK(event->bytes_total == 2 * MIB + 500 && event->bytes_done <= event->bytes_total);
    CHECK(event->bytes_done >= last->bytes_done);
    *last = *event;
    return 0;
}

/* Totals of a job: an upload reads its sizes at once, a download takes them from ftx_job_set_size. */
static void totals(ftx_client *client, const char *directory)
{
    const char *paths[3], *names[] = {"t/0", "t/1", "t/missing"};
    ftx_totals totals;
    ftx_event last;
    ftx_job *job;
    memset(&last, 0, sizeof last);
    totals.struct_size = sizeof totals;
    paths[0] = path_of(directory, "t0");
    paths[1] = path_of(directory, "t1");
    paths[2] = path_of(directory, "t missing");
    make_file(paths[0], 2 * MIB, 1);
    make_file(paths[1], 500, 2);
    CHECK_STATUS(ftx_client_upload_files(client, paths, names, 3, 1, count, &last),
                 FTX_LOCAL_NOT_FOUND);
    CHECK(last.files_done + last.files_failed == 3 && last.bytes_done == last.bytes_total);

    paths[0] = path_of(directory, "t0 copy");
    job = job_of(client, FTX_JOB_DOWNLOAD, paths[0], names[0]);
    CHECK_STATUS(ftx_job_add(job, path_of(directory, "t1 copy"), names[1]), FTX_OK);
    CHECK_STATUS(ftx_job_set_size(job, 0, 1), FTX_OK);
    CHECK_STATUS(ftx_job_set_size(job, 0, UINT64_MAX), FTX_OK);
    CHECK_STATUS(ftx_job_set_size(job, 1, UINT64_MAX), FTX_OK);
    CHECK_STATUS(ftx_job_totals(job, &totals), FTX_OK);
    CHECK(totals.bytes_total == UINT64_MAX && totals.files_sized == 2);
    CHECK_STATUS(ftx_job_set_size(job, 0, 2 * MIB), FTX_OK);
    CHECK_STATUS(ftx_job_set_size(job, 1, 500), FTX_OK);
    CHECK_STATUS(ftx_job_set_size(job, 2, 1), FTX_NO_SUCH_FILE);
    CHECK_STATUS(ftx_job_totals(job, &totals), FTX_OK);
    CHECK(totals.files_total == 2 && totals.bytes_total == 2 * MIB + 500);
    CHECK(totals.bytes_done == 0 && totals.files_done == 0);
    CHECK_STATUS(ftx_job_start(job), FTX_OK);
    CHECK_STATUS(ftx_job_set_size(job, 0, 1), FTX_WRONG_STATE);
    CHECK_STATUS(ftx_job_wait(job, -1), FTX_OK);
    CHECK_STATUS(ftx_job_totals(job, &totals), FTX_OK);
    CHECK(totals.files_done == 2 && totals.files_failed == 0);
    CHECK(totals.bytes_total == 2 * MIB + 500 && totals.bytes_done == totals.bytes_total);
    CHECK(same_files(path_of(directory, "t0"), paths[0]));
    ftx_job_free(job);

    /* The server's size corrects a wrong one, and the bytes of files that are up to date count. */
    job = job_of(client, FTX_JOB_DOWNLOAD, paths[0], names[0]);
    CHECK_STATUS(ftx_job_add(job, path_of(directory, "t1 again"), names[1]), FTX_OK);
    CHECK_STATUS(ftx_job_set_size(job, 1, 3 * MIB), FTX_OK);
    CHECK_STATUS(ftx_job_start(job), FTX_OK);
    CHECK_STATUS(ftx_job_wait(job, -1), FTX_OK);
    CHECK_STATUS(ftx_job_totals(job, &totals), FTX_OK);
    CHECK(totals.files_sized == 2 && totals.bytes_total == 2 * MIB + 500);
    CHECK(totals.bytes_done == totals.bytes_total);
    ftx_job_free(job);
}

struct seen {
    unsigned started, progress, ended;
    uint64_t done, total;
    uint32_t already_there;
};

static int32_t see(const ftx_event *event, void *user_data)
{
    struct seen *seen = user_data;
    CHECK(event->user_data == user_data);
    switch (event->kind) {
    case FTX_EVENT_STARTED:
        seen->started++;
        break;
    case FTX_EVENT_PROGRESS:
        CHECK(event->done >= seen->done && event->done <= event->total);
        seen->progress++;
        seen->done = event->done;
        seen->total = event->total;
        break;
    case FTX_EVENT_FILE_ENDED:
        CHECK(event->status == FTX_OK);
        seen->ended++;
        seen->already_there = event->already_there;
        break;
    default:
        break;
    }
    return 0;
}

static void there_and_back(ftx_client *client, const char *directory)
{
    const char *path = path_of(directory, "a.bin");
    const char *copy = path_of(directory, "new/\xc3\xa4 copy.bin");
    struct seen seen;
    make_file(path, 3 * MIB + 17, 1);
    memset(&seen, 0, sizeof seen);
    CHECK_STATUS(ftx_client_upload(client, path, "d/\xc3\xa4 b.bin", see, &seen), FTX_OK);
    CHECK(seen.ended == 1 && seen.progress > 0 && seen.already_there == 0);
    CHECK(seen.done == 3 * MIB + 17 && seen.total == seen.done);
    memset(&seen, 0, sizeof seen);
    CHECK_STATUS(ftx_client_upload(client, path, "d/\xc3\xa4 b.bin", see, &seen), FTX_OK);
    CHECK(seen.ended == 1 && seen.already_there == 1);
    CHECK_STATUS(ftx_client_download(client, "d/\xc3\xa4 b.bin", copy, NULL, NULL), FTX_OK);
    CHECK(same_files(path, copy));
}

static void failures(ftx_client *client, const char *directory, int32_t not_found)
{
    ftx_error error;
    error.struct_size = sizeof error;
    CHECK_STATUS(ftx_client_download(client, "none", path_of(directory, "none"), NULL, NULL),
                 not_found);
    CHECK_STATUS(ftx_last_error(&error), FTX_OK);
    CHECK(error.category == FTX_CATEGORY_SERVER && error.side == FTX_SIDE_SERVER);
    CHECK(error.original_status == FTX_FILE_OPEN_ERROR && error.file_index == 0);
    CHECK_STATUS(ftx_client_upload(client, path_of(directory, "missing"), "m", NULL, NULL),
                 FTX_LOCAL_NOT_FOUND);
    CHECK_STATUS(ftx_last_error(&error), FTX_OK);
    CHECK(error.category == FTX_CATEGORY_LOCAL && error.os_error == 2 && error.retryable == 0);
    CHECK(strstr(error.message, "missing") != NULL);
    CHECK_STATUS(ftx_client_upload(client, path_of(directory, "a.bin"), "../out", NULL, NULL),
                 FTX_NAME_REFUSED);
}

/* Several files, one of which is missing. */
static void several(ftx_client *client, const char *directory, int native)
{
    enum { COUNT = 40, MISSING = 20 };
    static char paths[COUNT][4096], copies[COUNT][4096], names[COUNT][32];
    const char *from[COUNT], *to[COUNT], *as[COUNT];
    ftx_error error;
    size_t at;
    error.struct_size = sizeof error;
    for (at = 0; at < COUNT; at++) {
        sprintf(names[at], "many/%s%u", native ? "n" : "l", (unsigned)at);
        sprintf(paths[at], "%.4000s/small%u", directory, (unsigned)at);
        sprintf(copies[at], "%.4000s/back/%u", directory, (unsigned)at);
        from[at] = paths[at];
        to[at] = copies[at];
        as[at] = names[at];
        if (at != MISSING)
            make_file(paths[at], 100 * at, (unsigned)at);
    }
    remove(paths[MISSING]);
    CHECK_STATUS(ftx_client_upload_files(client, from, as, COUNT, 0, NULL, NULL),
                 FTX_LOCAL_NOT_FOUND);
    CHECK_STATUS(ftx_last_error(&error), FTX_OK);
    CHECK(error.file_index == MISSING);
    CHECK_STATUS(ftx_client_upload_files(client, from, as, COUNT, 1, NULL, NULL),
                 FTX_LOCAL_NOT_FOUND);
    make_file(paths[MISSING], 5, 5);
    CHECK_STATUS(ftx_client_upload_files(client, from, as, COUNT, 1, NULL, NULL), FTX_OK);
    CHECK_STATUS(ftx_client_download_files(client, as, to, COUNT, 0, NULL, NULL), FTX_OK);
    for (at = 0; at < COUNT; at++)
        CHECK(same_files(paths[at], copies[at]));
    CHECK_STATUS(ftx_client_upload_files(client, NULL, NULL, 0, 0, NULL, NULL), FTX_OK);
}

static void overwriting(const char *address, const char *directory)
{
    ftx_config *config = ftx_config_new();
    ftx_client *client = NULL;
    uint8_t digest[FTX_DIGEST_BYTES];
    const char *path = path_of(directory, "kept");
    make_file(path, 1000, 7);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_OVERWRITE, FTX_OVERWRITE_FAIL), FTX_OK);
    CHECK_STATUS(ftx_client_new(address, config, &client), FTX_OK);
    CHECK_STATUS(ftx_client_upload(client, path, "kept", NULL, NULL), FTX_OK);
    CHECK_STATUS(ftx_client_digest(client, "kept", digest), FTX_OK);
    make_file(path, 1000, 8);
    CHECK_STATUS(ftx_client_upload(client, path, "kept", NULL, NULL), FTX_ALREADY_EXISTS);
    ftx_client_free(client);
    digest[0] ^= 1;
    CHECK_STATUS(ftx_config_set_bytes(config, FTX_OPTION_OVERWRITE_DIGEST, digest, 32), FTX_OK);
    CHECK_STATUS(ftx_client_new(address, config, &client), FTX_OK);
    CHECK_STATUS(ftx_client_upload(client, path, "kept", NULL, NULL), FTX_PRECONDITION_FAILED);
    ftx_client_free(client);
    digest[0] ^= 1;
    CHECK_STATUS(ftx_config_set_bytes(config, FTX_OPTION_OVERWRITE_DIGEST, digest, 32), FTX_OK);
    CHECK_STATUS(ftx_client_new(address, config, &client), FTX_OK);
    CHECK_STATUS(ftx_client_upload(client, path, "kept", NULL, NULL), FTX_OK);
    ftx_client_free(client);
    ftx_config_free(config);
}

static void upload_as(ftx_client *client, const char *path, uint32_t policy,
                      const uint8_t *digest, int32_t expected)
{
    ftx_job *job = job_of(client, FTX_JOB_UPLOAD, path, "kept");
    CHECK_STATUS(ftx_job_set_u64(job, FTX_JOB_OPTION_OVERWRITE, policy), FTX_OK);
    if (digest != NULL)
        CHECK_STATUS(ftx_job_set_bytes(job, FTX_JOB_OPTION_OVERWRITE_DIGEST, digest, 32), FTX_OK);
    CHECK_STATUS(ftx_job_start(job), FTX_OK);
    CHECK_STATUS(ftx_job_wait(job, -1), expected);
    ftx_job_free(job);
}

/* A client keeps a copy of its settings; a job has its own options. */
static void settings(const char *address, const char *directory)
{
    ftx_config *config = ftx_config_new();
    ftx_client *client = NULL;
    uint8_t digest[FTX_DIGEST_BYTES];
    const char *path = path_of(directory, "kept");
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_OVERWRITE, FTX_OVERWRITE_FAIL), FTX_OK);
    CHECK_STATUS(ftx_client_new(address, config, &client), FTX_OK);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_OVERWRITE, FTX_OVERWRITE_REPLACE), FTX_OK);
    make_file(path, 1000, 9);
    CHECK_STATUS(ftx_client_upload(client, path, "kept", NULL, NULL), FTX_ALREADY_EXISTS);
    ftx_config_free(config);
    CHECK_STATUS(ftx_client_upload(client, path, "kept", NULL, NULL), FTX_ALREADY_EXISTS);
    upload_as(client, path, FTX_OVERWRITE_REPLACE, NULL, FTX_OK);
    make_file(path, 1000, 10);
    upload_as(client, path, FTX_OVERWRITE_FAIL, NULL, FTX_ALREADY_EXISTS);
    CHECK_STATUS(ftx_client_upload(client, path, "kept", NULL, NULL), FTX_ALREADY_EXISTS);
    CHECK_STATUS(ftx_client_digest(client, "kept", digest), FTX_OK);
    digest[31] ^= 1;
    upload_as(client, path, FTX_OVERWRITE_REPLACE, digest, FTX_PRECONDITION_FAILED);
    digest[31] ^= 1;
    upload_as(client, path, FTX_OVERWRITE_FAIL, digest, FTX_OK);
    ftx_client_free(client);
}

void native_calls(const char *address, const char *directory)
{
    ftx_client *client = client_of(address, FTX_DIALECT_AUTO);
    uint8_t digest[FTX_DIGEST_BYTES];
    uint32_t dialect = 0;
    ftx_entry entry;
    entry.struct_size = sizeof entry;
    CHECK_STATUS(ftx_client_dialect(client, &dialect), FTX_OK);
    CHECK(dialect == FTX_DIALECT_NATIVE);
    there_and_back(client, directory);
    failures(client, directory, FTX_NOT_FOUND);
    several(client, directory, 1);
    totals(client, directory);
    CHECK_STATUS(ftx_client_stat(client, "d/\xc3\xa4 b.bin", &entry), FTX_OK);
    CHECK(entry.kind == FTX_ENTRY_FILE && entry.size == 3 * MIB + 17 && entry.has_mtime == 1);
    CHECK(strcmp(entry.name, "d/\xc3\xa4 b.bin") == 0);
    CHECK(entry.name_length == strlen(entry.name));
    CHECK_STATUS(ftx_client_digest(client, "d/\xc3\xa4 b.bin", digest), FTX_OK);
    CHECK_STATUS(ftx_client_remove(client, "d/\xc3\xa4 b.bin"), FTX_OK);
    CHECK_STATUS(ftx_client_stat(client, "d/\xc3\xa4 b.bin", &entry), FTX_NOT_FOUND);
    CHECK_STATUS(ftx_client_remove(client, "d/\xc3\xa4 b.bin"), FTX_NOT_FOUND);
    CHECK_STATUS(ftx_client_digest(client, "/", digest), FTX_NAME_REFUSED);
    ftx_client_free(client);
    overwriting(address, directory);
    settings(address, directory);
}

void legacy_calls(const char *address, const char *directory)
{
    ftx_client *client = client_of(address, FTX_DIALECT_LEGACY);
    uint32_t dialect = 0;
    ftx_entry entry;
    entry.struct_size = sizeof entry;
    CHECK_STATUS(ftx_client_dialect(client, &dialect), FTX_OK);
    CHECK(dialect == FTX_DIALECT_LEGACY);
    there_and_back(client, directory);
    failures(client, directory, FTX_FILE_OPEN_ERROR);
    several(client, directory, 0);
    totals(client, directory);
    CHECK_STATUS(ftx_client_stat(client, "a", &entry), FTX_OTHER_DIALECT);
    CHECK_STATUS(ftx_client_list(client, NULL, 0, NULL, NULL), FTX_OTHER_DIALECT);
    ftx_client_free(client);
}
