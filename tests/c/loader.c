/* Loads and unloads the library while it works: PROGRAM LIBRARY ADDRESS. */
#define _POSIX_C_SOURCE 200809L

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ftx.h"

/* ISO C has no cast from an object pointer to a function pointer. */
static void find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
}

int main(int count, char **arguments)
{
    int round;
    if (count != 3)
        return 2;
    for (round = 0; round < 10; round++) {
        int32_t (*client_new)(const char *, const ftx_config *, ftx_client **) = NULL;
        int32_t (*job_new)(ftx_client *, uint32_t, ftx_job **) = NULL;
        int32_t (*job_add)(ftx_job *, const char *, const char *) = NULL;
        int32_t (*job_start)(ftx_job *) = NULL;
        void (*job_free)(ftx_job *) = NULL;
        void (*client_free)(ftx_client *) = NULL;
        ftx_client *client = NULL;
        ftx_job *job = NULL;
        void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        find(library, "ftx_client_new", &client_new);
        find(library, "ftx_job_new", &job_new);
        find(library, "ftx_job_add", &job_add);
        find(library, "ftx_job_start", &job_start);
        find(library, "ftx_job_free", &job_free);
        find(library, "ftx_client_free", &client_free);
        if (client_new(arguments[2], NULL, &client) != FTX_OK ||
            job_new(client, FTX_JOB_DIALECT, &job) != FTX_OK ||
            job_add(job, NULL, "-") != FTX_OK || job_start(job) != FTX_OK)
            return 1;
        if (round % 2 == 0) {
            job_free(job);
            client_free(client);
        }
        /* Otherwise its thread would keep running in an unloaded library. */
        dlclose(library);
    }
    puts("done");
    return 0;
}
