/* Transfers files with libftx, in blocking calls with a progress callback, as applications do.
 *
 *   client upload ADDRESS PATH NAME
 *   client download ADDRESS NAME PATH
 *   client tree ADDRESS DIRECTORY NAME     uploads all files of a directory
 *
 * bench/peers.py compiles it: cc -O2 -I include bench/client.c -lftx
 */
#define _DEFAULT_SOURCE

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ftx.h"

/* The value of a progress bar. */
struct bar {
    uint64_t events, files, bytes;
};

static int32_t on_progress(const ftx_event *event, void *user_data)
{
    struct bar *bar = user_data;
    bar->events++;
    bar->files = event->files_done;
    bar->bytes = event->bytes_done;
    return 0;
}

/* The files of a tree: local paths, and names on the server. */
static struct {
    const char **paths, **names;
    size_t count, room, skip;
    const char *name;
} tree;

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("client: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static char *joined(const char *directory, const char *name)
{
    char *path = must(malloc(strlen(directory) + strlen(name) + 2));
    sprintf(path, "%s/%s", directory, name);
    return path;
}

static void take(const char *path)
{
    char *name = must(malloc(strlen(tree.name) + strlen(path + tree.skip) + 1));
    if (tree.count == tree.room) {
        tree.room = 2 * tree.room + 64;
        tree.paths = must(realloc(tree.paths, tree.room * sizeof *tree.paths));
        tree.names = must(realloc(tree.names, tree.room * sizeof *tree.names));
    }
    strcpy(name, tree.name);
    strcat(name, path + tree.skip);
    tree.names[tree.count] = name;
    tree.paths[tree.count++] = path;
}

static void walk(const char *directory)
{
    DIR *all = opendir(directory);
    struct dirent *entry;
    if (all == NULL) {
        perror(directory);
        exit(1);
    }
    while ((entry = readdir(all)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (entry->d_type == DT_DIR)
            walk(joined(directory, entry->d_name));
        else if (entry->d_type == DT_REG)
            take(joined(directory, entry->d_name));
    }
    closedir(all);
}

int main(int count, char **words)
{
    ftx_client *client;
    struct bar bar = {0, 0, 0};
    int32_t status;
    if (count != 5) {
        fputs("usage: client upload|download|tree ADDRESS FROM TO\n", stderr);
        return 2;
    }
    status = ftx_client_new(words[2], NULL, &client);
    if (status == FTX_OK && strcmp(words[1], "upload") == 0) {
        status = ftx_client_upload(client, words[3], words[4], on_progress, &bar);
    } else if (status == FTX_OK && strcmp(words[1], "download") == 0) {
        status = ftx_client_download(client, words[3], words[4], on_progress, &bar);
    } else if (status == FTX_OK) {
        tree.skip = strlen(words[3]);
        tree.name = words[4];
        walk(words[3]);
        status = ftx_client_upload_files(client, tree.paths, tree.names, tree.count, 0,
                                         on_progress, &bar);
    }
    if (status != FTX_OK) {
        ftx_error error;
        error.struct_size = sizeof error;
        ftx_last_error(&error);
        fprintf(stderr, "client: %s\n", error.message);
        return 1;
    }
    ftx_client_free(client);
    printf("%.0f files, %.0f bytes, %.0f events\n", (double)bar.files, (double)bar.bytes,
           (double)bar.events);
    return 0;
}
