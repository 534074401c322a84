/* Listings, whose directory "many" the test has filled with 6000 files. */
#include "check.h"

enum { FILES = 6000 };

struct shown {
    unsigned count, stop_after;
    char last[FTX_NAME_BYTES];
    ftx_client *client;
};

static int32_t show(const ftx_entry *entry, void *user_data)
{
    struct shown *shown = user_data;
    CHECK(strcmp(entry->name, shown->last) > 0);
    strcpy(shown->last, entry->name);
    if (shown->client != NULL) {
        ftx_entry again;
        again.struct_size = sizeof again;
        CHECK_STATUS(ftx_client_stat(shown->client, entry->name, &again), FTX_REENTERED);
    }
    return ++shown->count == shown->stop_after;
}

static void by_jobs(ftx_client *client)
{
    ftx_job *listing = NULL, *names = NULL;
    ftx_entry entry;
    unsigned count = 0, digests = 0;
    uint8_t digest[FTX_DIGEST_BYTES];
    entry.struct_size = sizeof entry;
    CHECK_STATUS(ftx_job_new(client, FTX_JOB_LIST, &listing), FTX_OK);
    CHECK_STATUS(ftx_job_add(listing, NULL, "many"), FTX_OK);
    CHECK_STATUS(ftx_job_start(listing), FTX_OK);
    for (;;) {
        int32_t status = ftx_job_next_entry(listing, &entry);
        if (status == FTX_NOT_FOUND)
            break;
        if (status == FTX_PENDING) {
            wait_event(client);
            continue;
        }
        CHECK_STATUS(status, FTX_OK);
        count++;
    }
    CHECK(count == FILES);
    CHECK_STATUS(ftx_job_wait(listing, -1), FTX_OK);
    ftx_job_free(listing);

    /* Waiting must not hang although no thread takes the entries. */
    CHECK_STATUS(ftx_job_new(client, FTX_JOB_LIST, &listing), FTX_OK);
    CHECK_STATUS(ftx_job_add(listing, NULL, "many"), FTX_OK);
    CHECK_STATUS(ftx_job_start(listing), FTX_OK);
    CHECK_STATUS(ftx_job_wait(listing, -1), FTX_OK);
    ftx_job_free(listing);

    /* Freeing a listing that waits for its entries to be taken cancels it. */
    CHECK_STATUS(ftx_job_new(client, FTX_JOB_LIST, &listing), FTX_OK);
    CHECK_STATUS(ftx_job_add(listing, NULL, "many"), FTX_OK);
    CHECK_STATUS(ftx_job_start(listing), FTX_OK);
    wait_for(client, ftx_job_id(listing), FTX_EVENT_ENTRIES);
    ftx_job_free(listing);

    CHECK_STATUS(ftx_job_new(client, FTX_JOB_DIGEST, &names), FTX_OK);
    CHECK_STATUS(ftx_job_set_u64(names, FTX_JOB_OPTION_KEEP_GOING, 1), FTX_OK);
    CHECK_STATUS(ftx_job_add(names, NULL, "many/f0001"), FTX_OK);
    CHECK_STATUS(ftx_job_add(names, NULL, "many/none"), FTX_OK);
    CHECK_STATUS(ftx_job_add(names, NULL, "../refused"), FTX_OK);
    CHECK_STATUS(ftx_job_add(names, NULL, "many/f0002"), FTX_OK);
    CHECK_STATUS(ftx_job_start(names), FTX_OK);
    CHECK_STATUS(ftx_job_wait(names, -1), FTX_NOT_FOUND);
    digests += ftx_job_digest(names, 0, digest) == FTX_OK;
    digests += ftx_job_digest(names, 3, digest) == FTX_OK;
    CHECK(digests == 2);
    CHECK_STATUS(ftx_job_digest(names, 1, digest), FTX_PENDING);
    CHECK_STATUS(ftx_job_digest(names, 4, digest), FTX_NO_SUCH_FILE);
    {
        ftx_error error;
        error.struct_size = sizeof error;
        CHECK_STATUS(ftx_job_error(names, 2, &error), FTX_OK);
        CHECK(error.status == FTX_NAME_REFUSED && error.file_index == 2);
        CHECK_STATUS(ftx_job_error(names, FTX_WHOLE_JOB, &error), FTX_OK);
        CHECK(error.status == FTX_NOT_FOUND && error.file_index == 1);
        CHECK_STATUS(ftx_job_error(names, 0, &error), FTX_OK);
        CHECK(error.status == FTX_OK);
    }
    ftx_job_free(names);
}

void lists(const char *address, const char *directory)
{
    ftx_client *client = client_of(address, FTX_DIALECT_NATIVE);
    struct shown shown;
    (void)directory;
    memset(&shown, 0, sizeof shown);
    CHECK_STATUS(ftx_client_list(client, "many", 0, show, &shown), FTX_OK);
    CHECK(shown.count == FILES);
    memset(&shown, 0, sizeof shown);
    shown.stop_after = 3;
    shown.client = client;
    CHECK_STATUS(ftx_client_list(client, NULL, 1, show, &shown), FTX_CANCELLED);
    CHECK(shown.count == 3);
    CHECK_STATUS(ftx_client_list(client, "none", 0, NULL, NULL), FTX_NOT_FOUND);
    by_jobs(client);
    ftx_client_free(client);
}
