/* Operations on running transfers; a slow line to the server keeps them running. */
#include "check.h"

enum { BYTES = 10 << 20 };

struct stop {
    ftx_client *client;
    ftx_job *job;
    int free_client;
    unsigned calls;
};

static int32_t stop_at_progress(const ftx_event *event, void *user_data)
{
    struct stop *stop = user_data;
    if (event->kind != FTX_EVENT_PROGRESS)
        return 0;
    stop->calls++;
    if (stop->client != NULL) {
        uint32_t dialect = 0;
        CHECK_STATUS(ftx_client_dialect(stop->client, &dialect), FTX_REENTERED);
        CHECK_STATUS(ftx_job_start(stop->job), FTX_OK);
        CHECK_STATUS(ftx_job_wait(stop->job, 1000), FTX_REENTERED);
    }
    if (stop->free_client) {
        ftx_client_free(stop->client);
        /* Earlier events may still be delivered. */
        stop->client = NULL;
        return 0;
    }
    return 1;
}

void slow_callbacks(const char *address, const char *directory)
{
    ftx_client *client = client_of(address, FTX_DIALECT_AUTO);
    const char *path = path_of(directory, "slow");
    const char *copy = path_of(directory, "slow copy");
    ftx_error error;
    struct stop stop;
    error.struct_size = sizeof error;
    make_file(path, BYTES, 3);
    memset(&stop, 0, sizeof stop);
    CHECK_STATUS(ftx_client_upload(client, path, "slow", stop_at_progress, &stop), FTX_CANCELLED);
    CHECK(stop.calls == 1);
    CHECK_STATUS(ftx_last_error(&error), FTX_OK);
    CHECK(error.resume_at > 0 && error.resume_at <= BYTES && error.file_index == 0);
    CHECK_STATUS(ftx_client_upload(client, path, "slow", NULL, NULL), FTX_OK);

    stop.client = client;
    stop.job = job_of(client, FTX_JOB_STAT, NULL, "slow");
    CHECK_STATUS(ftx_client_download(client, "slow", copy, stop_at_progress, &stop),
                 FTX_CANCELLED);
    CHECK_STATUS(ftx_job_wait(stop.job, -1), FTX_OK);
    ftx_job_free(stop.job);
    stop.free_client = 1;
    stop.job = job_of(client, FTX_JOB_STAT, NULL, "slow");
    CHECK_STATUS(ftx_client_download(client, "slow", copy, stop_at_progress, &stop),
                 FTX_CANCELLED);
    CHECK_STATUS(ftx_job_wait(stop.job, -1), FTX_CANCELLED);
    CHECK_STATUS(ftx_job_resume(stop.job), FTX_WRONG_STATE);
    ftx_job_free(stop.job);

    client = client_of(address, FTX_DIALECT_AUTO);
    CHECK_STATUS(ftx_client_download(client, "slow", copy, NULL, NULL), FTX_OK);
    CHECK(same_files(path, copy));
    ftx_client_free(client);
}

void slow_jobs(const char *address, const char *directory)
{
    ftx_client *client = client_of(address, FTX_DIALECT_AUTO);
    const char *path = path_of(directory, "paused");
    const char *copy = path_of(directory, "paused copy");
    ftx_job *upload, *other;
    ftx_event event;
    ftx_file file;
    uint32_t state = 0;
    file.struct_size = sizeof file;
    make_file(path, BYTES, 4);
    upload = job_of(client, FTX_JOB_UPLOAD, path, "paused");
    other = job_of(client, FTX_JOB_DIALECT, NULL, "-");
    CHECK_STATUS(ftx_job_set_user_data(upload, &state), FTX_OK);
    CHECK_STATUS(ftx_job_start(upload), FTX_OK);
    event = wait_for(client, ftx_job_id(upload), FTX_EVENT_PROGRESS);
    CHECK(event.user_data == &state && event.file_index == 0 && event.total == BYTES);
    CHECK_STATUS(ftx_job_wait(upload, 1), FTX_PENDING);
    CHECK_STATUS(ftx_job_pause(upload), FTX_OK);
    wait_for(client, ftx_job_id(upload), FTX_EVENT_JOB_PAUSED);
    CHECK_STATUS(ftx_job_state(upload, &state), FTX_OK);
    CHECK(state == FTX_STATE_PAUSED);
    CHECK_STATUS(ftx_job_wait(upload, 10), FTX_PENDING);
    CHECK_STATUS(ftx_job_file(upload, 0, &file), FTX_OK);
    CHECK(file.status == FTX_PENDING && file.done > 0 && file.done < BYTES);

    CHECK_STATUS(ftx_job_start(other), FTX_OK);
    CHECK_STATUS(ftx_job_wait(other, -1), FTX_OK);
    CHECK_STATUS(ftx_job_dialect(other, &state), FTX_OK);
    ftx_job_free(other);

    CHECK_STATUS(ftx_job_resume(upload), FTX_OK);
    CHECK_STATUS(ftx_job_resume(upload), FTX_OK);
    CHECK_STATUS(ftx_job_pause(upload), FTX_OK);
    CHECK_STATUS(ftx_job_resume(upload), FTX_OK);
    event = wait_for(client, ftx_job_id(upload), FTX_EVENT_FILE_ENDED);
    CHECK(event.status == FTX_OK);
    event = wait_for(client, ftx_job_id(upload), FTX_EVENT_JOB_ENDED);
    CHECK(event.status == FTX_OK && event.done == 1 && event.total == 1);
    CHECK_STATUS(ftx_job_wait(upload, 0), FTX_OK);
    CHECK_STATUS(ftx_job_pause(upload), FTX_WRONG_STATE);
    CHECK_STATUS(ftx_job_cancel(upload), FTX_OK);
    CHECK_STATUS(ftx_job_wait(upload, -1), FTX_OK);
    ftx_job_free(upload);
    CHECK_STATUS(ftx_client_download(client, "paused", copy, NULL, NULL), FTX_OK);
    CHECK(same_files(path, copy));
    ftx_client_free(client);
}

/* Frees jobs and clients while they are running. */
void slow_ends(const char *address, const char *directory)
{
    const char *path = path_of(directory, "ends");
    unsigned round;
    make_file(path, BYTES, 5);
    for (round = 0; round < 3; round++) {
        ftx_client *client = client_of(address, FTX_DIALECT_AUTO);
        /* Each round uses a new name, since it would otherwise resume the transfer of an earlier round. */
        const char *names[] = {"ends0", "ends1", "ends2"};
        ftx_job *running = job_of(client, FTX_JOB_UPLOAD, path, names[round]);
        ftx_job *queued = job_of(client, FTX_JOB_UPLOAD, path, "queued");
        ftx_job *paused = job_of(client, FTX_JOB_UPLOAD, path, "paused too");
        ftx_event event;
        event.struct_size = sizeof event;
        CHECK_STATUS(ftx_job_start(running), FTX_OK);
        CHECK_STATUS(ftx_job_start(queued), FTX_OK);
        CHECK_STATUS(ftx_job_start(paused), FTX_OK);
        CHECK_STATUS(ftx_job_pause(paused), FTX_OK);
        wait_for(client, ftx_job_id(running), FTX_EVENT_PROGRESS);
        CHECK_STATUS(ftx_job_cancel(queued), FTX_OK);
        CHECK_STATUS(ftx_job_wait(queued, 0), FTX_CANCELLED);
        if (round == 0) {
            /* Frees the job first, which drops its events. */
            uint64_t id = ftx_job_id(running);
            ftx_job_free(running);
            while (ftx_client_next_event(client, &event) == FTX_OK)
                CHECK(event.job_id != id);
            ftx_client_free(client);
        } else if (round == 1) {
            ftx_client_free(client);
            CHECK_STATUS(ftx_job_wait(running, -1), FTX_CANCELLED);
            CHECK_STATUS(ftx_job_start(running), FTX_WRONG_STATE);
            ftx_job_free(running);
        } else {
            CHECK_STATUS(ftx_client_cancel(client), FTX_OK);
            CHECK_STATUS(ftx_job_wait(running, -1), FTX_CANCELLED);
            ftx_job_free(running);
            ftx_client_free(client);
        }
        CHECK_STATUS(ftx_job_wait(paused, -1), FTX_CANCELLED);
        ftx_job_free(queued);
        ftx_job_free(paused);
    }
}
