/* Names and messages that are too long for their arrays or contain a NUL, from the caller and from a
 * server simulated by the test: PROGRAM ADDRESS DIRECTORY. Built with the sanitizers. */
#include "check.h"

#include <errno.h>

/* Directories whose listings contain a name that no file can have. */
static const char *const REFUSED[] = {"long", "nul", "huge"};

/* Copies a name by `name_length`, which must be the length of the C string. */
static size_t copied(const ftx_entry *entry)
{
    char *copy = malloc(entry->name_length + 1u);
    size_t length;
    CHECK(copy != NULL);
    memcpy(copy, entry->name, entry->name_length);
    copy[entry->name_length] = '\0';
    length = strlen(copy);
    CHECK(length == entry->name_length && strcmp(copy, entry->name) == 0);
    free(copy);
    return length;
}

static int32_t show(const ftx_entry *from, void *user_data)
{
    ftx_entry entry;
    memcpy(&entry, from, sizeof entry);
    *(size_t *)user_data = copied(&entry);
    return 0;
}

/* Returns the message of the last failure, which must be one line without control characters. */
static const char *why(void)
{
    static ftx_error error;
    const char *at;
    error.struct_size = sizeof error;
    CHECK_STATUS(ftx_last_error(&error), FTX_OK);
    CHECK(memchr(error.message, '\0', sizeof error.message) != NULL && error.message[0] != '\0');
    for (at = error.message; *at != '\0'; at++)
        CHECK((unsigned char)*at >= 0x20 && *at != 0x7f);
    return error.message;
}

static void listings(ftx_client *client, const char *directory)
{
    size_t length = 0;
    ftx_entry entry;
    ftx_job *job = NULL;
    int32_t status = ftx_client_list(client, directory, 0, show, &length);
    CHECK(ftx_status_category(status) == FTX_CATEGORY_PROTOCOL);
    CHECK(strstr(why(), "server") != NULL);
    entry.struct_size = sizeof entry;
    status = ftx_client_stat(client, directory, &entry);
    CHECK(ftx_status_category(status) == FTX_CATEGORY_PROTOCOL);
    CHECK(strstr(why(), "server") != NULL);

    CHECK_STATUS(ftx_job_new(client, FTX_JOB_LIST, &job), FTX_OK);
    CHECK_STATUS(ftx_job_add(job, NULL, directory), FTX_OK);
    CHECK_STATUS(ftx_job_start(job), FTX_OK);
    CHECK(ftx_status_category(ftx_job_wait(job, -1)) == FTX_CATEGORY_PROTOCOL);
    while ((status = ftx_job_next_entry(job, &entry)) == FTX_OK)
        copied(&entry);
    CHECK_STATUS(status, FTX_NOT_FOUND);
    ftx_job_free(job);
}

/* Entries arrive in the order of their bytes; backslashes in the long name sort before letters. */
static int32_t show_odd(const ftx_entry *entry, void *user_data)
{
    static const uint32_t obstacles[] = {FTX_OBSTACLE_TOO_LONG, FTX_OBSTACLE_NOT_UTF8, FTX_OBSTACLE_LINK};
    size_t *count = user_data;
    size_t length = copied(entry);
    CHECK(*count < 3);
    CHECK(entry->kind == FTX_ENTRY_UNTRANSFERABLE && entry->size == 7);
    CHECK(entry->obstacle == obstacles[*count]);
    switch ((*count)++) {
    case 0:
        CHECK(length == FTX_NAME_BYTES - 1 && strstr(entry->name, " [...] ") != NULL);
        CHECK(strncmp(entry->name, "odd/\\\\\\\\", 8) == 0);
        CHECK(strcmp(entry->name + length - 4, "\\xff") == 0);
        break;
    case 1:
        CHECK(strcmp(entry->name, "odd/b\\xff") == 0);
        break;
    default:
        CHECK(strcmp(entry->name, "odd/link") == 0);
    }
    return 0;
}

/* Listings show entries that cannot be transferred with a separate kind. */
static void untransferable(ftx_client *client)
{
    size_t count = 0;
    ftx_entry entry;
    ftx_job *job = NULL;
    CHECK_STATUS(ftx_client_list(client, "odd", 1, show_odd, &count), FTX_OK);
    CHECK(count == 3);
    entry.struct_size = sizeof entry;
    count = 0;
    CHECK_STATUS(ftx_job_new(client, FTX_JOB_LIST, &job), FTX_OK);
    CHECK_STATUS(ftx_job_add(job, NULL, "odd"), FTX_OK);
    CHECK_STATUS(ftx_job_set_u64(job, FTX_JOB_OPTION_RECURSIVE, 1), FTX_OK);
    CHECK_STATUS(ftx_job_start(job), FTX_OK);
    CHECK_STATUS(ftx_job_wait(job, -1), FTX_OK);
    while (ftx_job_next_entry(job, &entry) == FTX_OK)
        show_odd(&entry, &count);
    CHECK(count == 3);
    ftx_job_free(job);
}

static void from_the_server(ftx_client *client)
{
    size_t at, length = 0;
    untransferable(client);
    for (at = 0; at < sizeof REFUSED / sizeof REFUSED[0]; at++)
        listings(client, REFUSED[at]);
    CHECK_STATUS(ftx_client_list(client, "longest", 1, show, &length), FTX_OK);
    CHECK(length == 4096);
    CHECK_STATUS(ftx_client_remove(client, "message"), FTX_NOT_FOUND);
    CHECK(strstr(why(), "begin\\u{0}\\u{1b}[2J\\n") != NULL);
}

static char *repeated(const char *text, size_t count)
{
    char *all = calloc(strlen(text) * count + 1, 1);
    CHECK(all != NULL);
    while (count-- > 0)
        strcat(all, text);
    return all;
}

static void nuls(ftx_client *client)
{
    ftx_job *job = NULL;
    ftx_config *config = ftx_config_new();
    ftx_error error;
    error.struct_size = sizeof error;
    CHECK_STATUS(ftx_job_new(client, FTX_JOB_UPLOAD, &job), FTX_OK);
    CHECK_STATUS(ftx_job_add_bytes(job, "a\0b", 3, "a", 1), FTX_INVALID_ARGUMENT);
    CHECK(strstr(why(), "NUL") != NULL);
    CHECK_STATUS(ftx_job_add_bytes(job, "a", 1, "a\0b", 3), FTX_OK);
    CHECK_STATUS(ftx_job_start(job), FTX_OK);
    CHECK_STATUS(ftx_job_wait(job, -1), FTX_NAME_REFUSED);
    CHECK(strstr(why(), "NUL") != NULL);
    CHECK_STATUS(ftx_job_error(job, 0, &error), FTX_OK);
    CHECK(strstr(error.message, "NUL") != NULL);
    ftx_job_free(job);
    CHECK_STATUS(ftx_config_set_bytes(config, FTX_OPTION_CACHE, "a\0b", 3),
                 FTX_INVALID_ARGUMENT);
    CHECK(strstr(why(), "NUL") != NULL);
    ftx_config_free(config);
}

static void from_the_caller(ftx_client *client, const char *directory)
{
    char *name = repeated("n", 5000), *part = repeated("n", 3000), *path = repeated("/\xc3\xa4", 2000);
    char *host = repeated("h ", 2500);
    const char *file = path_of(directory, "file");
    ftx_client *made = NULL;
    ftx_entry entry;
    ftx_error error;
    entry.struct_size = sizeof entry;
    error.struct_size = sizeof error;
    make_file(file, 10, 1);
    CHECK_STATUS(ftx_client_upload(client, file, name, NULL, NULL), FTX_NAME_REFUSED);
    CHECK(strstr(why(), "5000") != NULL && strstr(why(), "4096") != NULL);
    CHECK_STATUS(ftx_client_stat(client, name, &entry), FTX_NAME_REFUSED);
    CHECK_STATUS(ftx_client_list(client, name, 0, NULL, NULL), FTX_NAME_REFUSED);
    CHECK_STATUS(ftx_client_download(client, part, file, NULL, NULL), FTX_NAME_REFUSED);
    /* The reason follows the name in the message. */
    CHECK(strstr(why(), "3000") != NULL && strstr(why(), "255") != NULL);
    CHECK(ftx_client_upload(client, path, "a", NULL, NULL) < 0);
    CHECK(strstr(why(), "too long") != NULL);
    CHECK_STATUS(ftx_last_error(&error), FTX_OK);
    CHECK(error.category == FTX_CATEGORY_LOCAL && error.os_error == ENAMETOOLONG);
    CHECK(ftx_client_download(client, "a", path, NULL, NULL) < 0);
    CHECK(strstr(why(), "too long") != NULL);
    CHECK_STATUS(ftx_client_new(host, NULL, &made), FTX_INVALID_ADDRESS);
    CHECK(strstr(why(), "HOST:PORT") != NULL);
    CHECK_STATUS(ftx_client_new_at(host, 1, NULL, &made), FTX_INVALID_ADDRESS);
    CHECK(strstr(why(), "no server address") != NULL);
    nuls(client);
    free(name);
    free(part);
    free(path);
    free(host);
}

int main(int count, char **arguments)
{
    ftx_client *client;
    CHECK(count == 3);
    client = client_of(arguments[1], FTX_DIALECT_NATIVE);
    from_the_server(client);
    from_the_caller(client, arguments[2]);
    ftx_client_free(client);
    puts("done");
    return 0;
}
