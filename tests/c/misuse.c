/* Misuse yields a status and never crashes. */
#include "check.h"

#define BAD_TEXT "\xff\xfe"

static int32_t never(const ftx_event *event, void *user_data)
{
    (void)event;
    (void)user_data;
    CHECK(!"called");
    return 0;
}

static void nulls_in_settings_and_clients(ftx_config *config)
{
    ftx_client *client = (ftx_client *)&client;
    uint64_t value = 0;
    ftx_config_free(NULL);
    ftx_client_free(NULL);
    ftx_job_free(NULL);
    CHECK_STATUS(ftx_config_set_u64(NULL, FTX_OPTION_RETRIES, 1), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_config_set_bytes(NULL, FTX_OPTION_OVERWRITE_DIGEST, NULL, 0),
                 FTX_NULL_POINTER);
    CHECK_STATUS(ftx_config_set_bytes(config, FTX_OPTION_OVERWRITE_DIGEST, NULL, 32),
                 FTX_NULL_POINTER);
    CHECK_STATUS(ftx_config_get_u64(NULL, FTX_OPTION_RETRIES, &value), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_config_get_u64(config, FTX_OPTION_RETRIES, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_new("host", NULL, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_new(NULL, NULL, &client), FTX_NULL_POINTER);
    CHECK(client == NULL);
    CHECK_STATUS(ftx_client_new_at(NULL, 1, NULL, &client), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_new_at("host", 1, NULL, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_new(BAD_TEXT, NULL, &client), FTX_INVALID_UTF8);
    CHECK_STATUS(ftx_client_new_at(BAD_TEXT, 1, NULL, &client), FTX_INVALID_UTF8);
    CHECK_STATUS(ftx_client_new("no address", NULL, &client), FTX_INVALID_ADDRESS);
    CHECK_STATUS(ftx_client_new("host:0", NULL, &client), FTX_INVALID_ADDRESS);
    CHECK_STATUS(ftx_client_new_at("", 1, NULL, &client), FTX_INVALID_ADDRESS);
    CHECK_STATUS(ftx_client_new_at("host/path", 1, NULL, &client), FTX_INVALID_ADDRESS);
    CHECK_STATUS(ftx_client_new_at("host", 0, NULL, &client), FTX_INVALID_ADDRESS);
    ftx_error error;
    error.struct_size = sizeof error;
    CHECK_STATUS(ftx_last_error(&error), FTX_OK);
    CHECK(strstr(error.message, "'host:0'") != NULL);
    CHECK(client == NULL);
    CHECK_STATUS(ftx_client_cancel(NULL), FTX_NULL_POINTER);
    CHECK(ftx_client_event_fd(NULL) == -1);
    CHECK_STATUS(ftx_last_error(NULL), FTX_NULL_POINTER);
}

static void nulls_in_calls(ftx_client *client)
{
    const char *texts[] = {"a", "b"};
    const char *one_null[] = {"a", NULL};
    const char *bad[] = {"a", BAD_TEXT};
    uint8_t digest[FTX_DIGEST_BYTES];
    ftx_entry entry;
    ftx_error error;
    uint32_t dialect = 0;
    entry.struct_size = sizeof entry;
    error.struct_size = sizeof error;
    CHECK_STATUS(ftx_client_upload(NULL, "a", "a", never, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_upload(client, NULL, "a", never, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_upload(client, "a", NULL, never, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_upload(client, BAD_TEXT, "a", never, NULL), FTX_INVALID_UTF8);
    CHECK_STATUS(ftx_client_upload(client, "a", BAD_TEXT, never, NULL), FTX_INVALID_UTF8);
    CHECK_STATUS(ftx_client_download(NULL, "a", "a", never, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_download(client, NULL, "a", never, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_download(client, "a", NULL, never, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_download(client, "a", BAD_TEXT, never, NULL), FTX_INVALID_UTF8);
    CHECK_STATUS(ftx_client_upload_files(NULL, texts, texts, 2, 0, never, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_upload_files(client, NULL, texts, 2, 0, never, NULL),
                 FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_upload_files(client, texts, one_null, 2, 0, never, NULL),
                 FTX_NULL_POINTER);
    CHECK_STATUS(ftx_last_error(&error), FTX_OK);
    CHECK(error.file_index == 1);
    CHECK_STATUS(ftx_client_upload_files(client, texts, texts, SIZE_MAX, 0, never, NULL),
                 FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_client_download_files(client, texts, NULL, 2, 0, never, NULL),
                 FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_download_files(client, bad, texts, 2, 0, never, NULL),
                 FTX_INVALID_UTF8);
    CHECK_STATUS(ftx_client_list(NULL, NULL, 0, NULL, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_list(client, BAD_TEXT, 0, NULL, NULL), FTX_INVALID_UTF8);
    CHECK_STATUS(ftx_client_stat(NULL, "a", &entry), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_stat(client, NULL, &entry), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_stat(client, "a", NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_stat(client, BAD_TEXT, &entry), FTX_INVALID_UTF8);
    CHECK_STATUS(ftx_client_digest(NULL, "a", digest), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_digest(client, NULL, digest), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_digest(client, "a", NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_remove(NULL, "a"), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_remove(client, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_dialect(NULL, &dialect), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_dialect(client, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_client_next_event(client, NULL), FTX_NULL_POINTER);
}

static void nulls_in_jobs(ftx_client *client)
{
    static const uint8_t digest[64];
    ftx_job *job = (ftx_job *)&job;
    ftx_entry entry;
    uint32_t number = 0;
    uint64_t count = 0;
    entry.struct_size = sizeof entry;
    CHECK_STATUS(ftx_job_new(client, FTX_JOB_UPLOAD, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_new(NULL, FTX_JOB_UPLOAD, &job), FTX_NULL_POINTER);
    CHECK(job == NULL);
    CHECK_STATUS(ftx_job_new(client, 4711, &job), FTX_UNKNOWN_OPTION);
    CHECK(ftx_job_id(NULL) == 0);
    CHECK_STATUS(ftx_job_set_user_data(NULL, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_set_u64(NULL, FTX_JOB_OPTION_KEEP_GOING, 1), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_set_bytes(NULL, FTX_JOB_OPTION_OVERWRITE_DIGEST, digest, 32),
                 FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_start(NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_cancel(NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_abort(NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_pause(NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_resume(NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_wait(NULL, -1), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_state(NULL, &number), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_file_count(NULL, &count), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_file(NULL, 0, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_totals(NULL, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_set_size(NULL, 0, 1), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_error(NULL, 0, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_next_entry(NULL, &entry), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_digest(NULL, 0, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_dialect(NULL, &number), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_add(NULL, "a", "a"), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_add_bytes(NULL, "a", 1, "a", 1), FTX_NULL_POINTER);

    CHECK_STATUS(ftx_job_new(client, FTX_JOB_UPLOAD, &job), FTX_OK);
    CHECK_STATUS(ftx_job_state(job, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_totals(job, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_file_count(job, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_dialect(job, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_digest(job, 0, NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_add(job, NULL, "a"), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_add(job, "a", NULL), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_add(job, BAD_TEXT, "a"), FTX_INVALID_UTF8);
    CHECK_STATUS(ftx_job_add_bytes(job, NULL, 3, "a", 1), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_add_bytes(job, "a\0b", 3, "a", 1), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_job_add_bytes(job, "a", 1, BAD_TEXT, 2), FTX_INVALID_UTF8);
    CHECK_STATUS(ftx_job_add_bytes(job, BAD_TEXT, 2, "a", 1), FTX_OK);
    CHECK_STATUS(ftx_job_file_count(job, &count), FTX_OK);
    CHECK(count == 1);
    CHECK_STATUS(ftx_job_wait(job, 0), FTX_PENDING);
    CHECK_STATUS(ftx_job_pause(job), FTX_WRONG_STATE);
    CHECK_STATUS(ftx_job_resume(job), FTX_WRONG_STATE);
    CHECK_STATUS(ftx_job_set_u64(job, 99, 1), FTX_UNKNOWN_OPTION);
    CHECK_STATUS(ftx_job_set_u64(job, FTX_JOB_OPTION_KEEP_GOING, 2), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_job_set_u64(job, FTX_JOB_OPTION_RECURSIVE, 2), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_job_set_u64(job, FTX_JOB_OPTION_RETRIES, UINT64_MAX), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_job_set_u64(job, FTX_JOB_OPTION_OVERWRITE, FTX_OVERWRITE_IF_DIGEST),
                 FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_job_set_u64(job, FTX_JOB_OPTION_OVERWRITE_DIGEST, 1), FTX_WRONG_TYPE);
    CHECK_STATUS(ftx_job_set_bytes(job, FTX_JOB_OPTION_RETRIES, digest, 32), FTX_WRONG_TYPE);
    CHECK_STATUS(ftx_job_set_bytes(job, 0, digest, 32), FTX_UNKNOWN_OPTION);
    CHECK_STATUS(ftx_job_set_bytes(job, FTX_JOB_OPTION_OVERWRITE_DIGEST, NULL, 32),
                 FTX_NULL_POINTER);
    CHECK_STATUS(ftx_job_set_bytes(job, FTX_JOB_OPTION_OVERWRITE_DIGEST, digest, 33),
                 FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_job_cancel(job), FTX_OK);
    CHECK_STATUS(ftx_job_wait(job, -1), FTX_CANCELLED);
    CHECK_STATUS(ftx_job_start(job), FTX_WRONG_STATE);
    CHECK_STATUS(ftx_job_add(job, "a", "a"), FTX_WRONG_STATE);
    CHECK_STATUS(ftx_job_set_u64(job, FTX_JOB_OPTION_KEEP_GOING, 1), FTX_WRONG_STATE);
    ftx_job_free(job);
}

static void options(ftx_config *config)
{
    static const uint8_t digest[FTX_DIGEST_BYTES];
    uint64_t value = 0;
    ftx_error error;
    CHECK_STATUS(ftx_config_set_u64(config, 0, 1), FTX_UNKNOWN_OPTION);
    CHECK_STATUS(ftx_config_set_u64(config, 4711, 1), FTX_UNKNOWN_OPTION);
    CHECK_STATUS(ftx_config_get_u64(config, 4711, &value), FTX_UNKNOWN_OPTION);
    CHECK_STATUS(ftx_config_set_bytes(config, 4711, digest, 32), FTX_UNKNOWN_OPTION);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_OVERWRITE_DIGEST, 1), FTX_WRONG_TYPE);
    CHECK_STATUS(ftx_config_set_bytes(config, FTX_OPTION_RETRIES, digest, 32), FTX_WRONG_TYPE);
    CHECK_STATUS(ftx_config_set_bytes(config, FTX_OPTION_OVERWRITE_DIGEST, digest, 31),
                 FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_CACHE, 1), FTX_WRONG_TYPE);
    CHECK_STATUS(ftx_config_set_bytes(config, FTX_OPTION_CACHE, digest, 32), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_config_set_bytes(config, FTX_OPTION_CACHE, NULL, 0), FTX_OK);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_TIMEOUT_MS, 0), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_TIMEOUT_MS, UINT64_MAX),
                 FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_RETRIES, UINT64_MAX), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_STREAMS, 65), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_LIMIT_RATE, FTX_MIN_LIMIT_RATE - 1),
                 FTX_INVALID_ARGUMENT);
    error.struct_size = sizeof error;
    CHECK_STATUS(ftx_last_error(&error), FTX_OK);
    CHECK(strstr(error.message, "FTX_OPTION_LIMIT_RATE") && strstr(error.message, "8192"));
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_LIMIT_RATE, FTX_MIN_LIMIT_RATE), FTX_OK);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_LIMIT_RATE, 0), FTX_OK);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_COMPRESS, 20), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_COMPRESS, FTX_COMPRESS_NEVER), FTX_OK);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_COMPRESS, FTX_COMPRESS_AUTO), FTX_OK);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_DIALECT, 3), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_DURABILITY, 2), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_OVERWRITE, 2), FTX_INVALID_ARGUMENT);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_STREAMS, 3), FTX_OK);
    CHECK_STATUS(ftx_config_get_u64(config, FTX_OPTION_STREAMS, &value), FTX_OK);
    CHECK(value == 3);
    CHECK_STATUS(ftx_config_get_u64(config, FTX_OPTION_TIMEOUT_MS, &value), FTX_OK);
    CHECK(value == 30000);
    CHECK_STATUS(ftx_config_set_bytes(config, FTX_OPTION_OVERWRITE_DIGEST, digest, 32), FTX_OK);
    CHECK_STATUS(ftx_config_get_u64(config, FTX_OPTION_OVERWRITE, &value), FTX_OK);
    CHECK(value == FTX_OVERWRITE_IF_DIGEST);
}

/* A struct of an older or newer header gets the fields that both sides know. */
static void struct_sizes(void)
{
    struct {
        ftx_error error;
        unsigned char newer[64];
    } later;
    ftx_error earlier;
    memset(&later, 0xee, sizeof later);
    later.error.struct_size = sizeof later;
    CHECK_STATUS(ftx_config_set_u64(NULL, 1, 1), FTX_NULL_POINTER);
    CHECK_STATUS(ftx_last_error(&later.error), FTX_OK);
    CHECK(later.error.struct_size == sizeof later);
    CHECK(later.error.status == FTX_NULL_POINTER);
    CHECK(later.error.category == FTX_CATEGORY_CALLER && later.error.side == FTX_SIDE_LOCAL);
    CHECK(strstr(later.error.message, "ftx_config") != NULL);
    CHECK(later.newer[0] == 0 && later.newer[63] == 0);

    memset(&earlier, 0xee, sizeof earlier);
    earlier.struct_size = 12;
    CHECK_STATUS(ftx_last_error(&earlier), FTX_OK);
    CHECK(earlier.status == FTX_NULL_POINTER);
    CHECK(earlier.original_status == FTX_FILE_OPEN_ERROR);
    CHECK(earlier.category == 0xeeeeeeee);

    earlier.struct_size = 0;
    CHECK_STATUS(ftx_last_error(&earlier), FTX_STRUCT_SIZE);
    earlier.struct_size = 0xeeeeeeee;
    CHECK_STATUS(ftx_last_error(&earlier), FTX_STRUCT_SIZE);
}

static void texts(void)
{
    int32_t status;
    for (status = -700; status < 10; status++) {
        CHECK(strlen(ftx_strerror(status)) > 0);
        CHECK(strlen(ftx_status_name(status)) > 0);
        CHECK(ftx_original_status(status) >= -100);
        CHECK((status >= 0) == (ftx_status_category(status) == FTX_CATEGORY_NONE));
    }
    CHECK(strcmp(ftx_status_name(FTX_CANCELLED), "CANCELLED") == 0);
    CHECK(strcmp(ftx_status_name(FTX_FILE_OPEN_ERROR), "FILE_OPEN_ERROR") == 0);
    CHECK(ftx_original_status(FTX_NOT_FOUND) == FTX_FILE_OPEN_ERROR);
    CHECK(ftx_strerror(INT32_MIN) != NULL && ftx_strerror(INT32_MAX) != NULL);
    CHECK(strlen(ftx_version()) >= 5);
}

static int32_t never_again(const ftx_event *event, void *user_data)
{
    (void)user_data;
    CHECK(event->kind != FTX_EVENT_RETRYING);
    return 0;
}

/* Without a server a call ends at once, however many retries are allowed. */
static void no_retries_without_a_server(ftx_client *client)
{
    ftx_job *job = job_of(client, FTX_JOB_UPLOAD, "/dev/null", "a");
    ftx_event event;
    CHECK_STATUS(ftx_job_set_u64(job, FTX_JOB_OPTION_RETRIES, 2), FTX_OK);
    CHECK_STATUS(ftx_job_start(job), FTX_OK);
    do {
        event = wait_event(client);
        CHECK(event.kind != FTX_EVENT_RETRYING);
    } while (event.kind != FTX_EVENT_JOB_ENDED);
    CHECK(event.status == FTX_CONNECT_FAILED);
    ftx_job_free(job);
    CHECK_STATUS(ftx_client_upload(client, "/dev/null", "a", never_again, NULL),
                 FTX_CONNECT_FAILED);
}

/* A client of a server that does not run. */
static void nobody_there(void)
{
    ftx_config *config = ftx_config_new();
    ftx_client *client = NULL;
    ftx_error error;
    error.struct_size = sizeof error;
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_RETRIES, 0), FTX_OK);
    CHECK_STATUS(ftx_client_new("127.0.0.1:1", config, &client), FTX_OK);
    CHECK_STATUS(ftx_client_upload(client, "/dev/null", "a", NULL, NULL), FTX_CONNECT_FAILED);
    CHECK_STATUS(ftx_last_error(&error), FTX_OK);
    CHECK(error.category == FTX_CATEGORY_NETWORK && error.retryable == 1 && error.os_error != 0);
    CHECK(error.original_status == FTX_CONNECT_SERVER_ERROR);
    CHECK(strstr(error.message, "127.0.0.1:1") != NULL);
    no_retries_without_a_server(client);
    ftx_client_free(client);
    ftx_config_free(config);
}

void misuse(const char *address, const char *directory)
{
    ftx_config *config = ftx_config_new();
    ftx_client *client = NULL;
    (void)address;
    (void)directory;
    nulls_in_settings_and_clients(config);
    CHECK_STATUS(ftx_client_new("127.0.0.1:1", NULL, &client), FTX_OK);
    nulls_in_calls(client);
    nulls_in_jobs(client);
    ftx_client_free(client);
    options(config);
    ftx_config_free(config);
    struct_sizes();
    texts();
    nobody_there();
}
