/* Helpers shared by the scenarios. */
#ifndef CHECK_H
#define CHECK_H

#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ftx.h"

/* Ends the program if a condition does not hold. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* Ends the program if a status is not the expected one, and prints it. */
#define CHECK_STATUS(call, expected) check_status((call), (expected), __FILE__, __LINE__, #call)

void check_status(int32_t status, int32_t expected, const char *file, int line, const char *call);

/* Creates a client of "host:port" that gives up soon. */
ftx_client *client_of(const char *address, uint32_t dialect);

/* Returns DIRECTORY/NAME in one of several static buffers, of which it reuses the oldest. */
const char *path_of(const char *directory, const char *name);

/* Creates a file of `bytes` bytes, whose content depends on `kind`. */
void make_file(const char *path, size_t bytes, unsigned kind);

/* Whether two files have the same content. */
int same_files(const char *one, const char *other);

/* Waits at most a minute for the next event of a client's jobs. */
ftx_event wait_event(ftx_client *client);

/* Waits for an event of a kind and a job; drops all events before it. */
ftx_event wait_for(ftx_client *client, uint64_t job, uint32_t kind);

/* Creates a job of one file, not started. */
ftx_job *job_of(ftx_client *client, uint32_t kind, const char *path, const char *name);

/* The scenarios; the arguments are the server's address and a directory to work in. */
void misuse(const char *address, const char *directory);
void hostile(const char *address, const char *directory);
void native_calls(const char *address, const char *directory);
void legacy_calls(const char *address, const char *directory);
void lists(const char *address, const char *directory);
void slow_callbacks(const char *address, const char *directory);
void slow_jobs(const char *address, const char *directory);
void slow_ends(const char *address, const char *directory);
void many_jobs(const char *address, const char *directory);
void kept(const char *address, const char *directory);
void threads(const char *address, const char *directory);
void limits(const char *address, const char *directory);
void forked(const char *address, const char *directory);
void logs(const char *address, const char *directory);
void secure(const char *address, const char *directory);
void killed(const char *address, const char *directory);

#endif
