/* Uploads a file and shows its progress.
 *
 *     cc upload.c $(pkg-config --cflags --libs ftx) -o upload
 *     ./upload 127.0.0.1:7411 report.pdf */
#include <ftx.h>

#include <stdio.h>
#include <string.h>

static int32_t show(const ftx_event *event, void *user_data)
{
    const char *name = user_data;
    if (event->kind == FTX_EVENT_PROGRESS && event->total > 0)
        fprintf(stderr, "\r%s: %u %%", name, (unsigned)(event->done * 100 / event->total));
    return 0; /* anything else cancels */
}

int main(int argc, char **argv)
{
    ftx_client *client = NULL;
    const char *slash;
    char *name;
    int32_t status;

    if (argc != 3) {
        fputs("usage: upload HOST:PORT FILE\n", stderr);
        return 2;
    }
    slash = strrchr(argv[2], '/');
    name = slash == NULL ? argv[2] : argv[2] + (slash - argv[2]) + 1;

    status = ftx_client_new(argv[1], NULL, &client);
    if (status == FTX_OK)
        status = ftx_client_upload(client, argv[2], name, show, name);
    if (status == FTX_OK) {
        printf("uploaded %s\n", name);
    } else {
        ftx_error error;
        error.struct_size = sizeof error;
        if (ftx_last_error(&error) == FTX_OK)
            fprintf(stderr, "\n%s\n", error.message);
    }
    ftx_client_free(client);
    return status == FTX_OK ? 0 : 1;
}
